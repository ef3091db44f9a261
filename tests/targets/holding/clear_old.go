// SPDX-License-Identifier: Apache-2.0

//go:build !go1.24

package main

type clears struct{}
