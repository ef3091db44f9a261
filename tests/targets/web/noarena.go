// SPDX-License-Identifier: Apache-2.0

//go:build !goexperiment.arenas

package main

import "math/rand"

func arenas(*rand.Rand) {}
