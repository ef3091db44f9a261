/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/gotext - goroutines from text: what Go 1.13 to 1.27 print for debug=1, debug=2, a panic, SIGQUIT.
 */

#include "codec/stream.h"
#include "model/goroutine.h"

/*
 * Appends the goroutines of the stream to *ret (initialized by the caller), with `input` as their origin, and adds to
 * ret->total. Text before and between them is passed over. FORMAT when there is none, or the dump is cut inside a
 * goroutine's header; a dump that ends inside a stack keeps what was read, flagged GOROUTINE_CUT.
 */
MUST_CHECK struct err *gotext_read(struct stream *s, uint32_t input, struct goroutines *ret);
