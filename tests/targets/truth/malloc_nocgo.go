// SPDX-License-Identifier: Apache-2.0

//go:build !cgo

package main

import "errors"

func holdMalloc(int64) error {
	return errors.New("-cgo-malloc needs a build with cgo")
}
