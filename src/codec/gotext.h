/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/gotext - goroutines from text: what Go 1.13 to 1.27 print for debug=1, debug=2, a panic, SIGQUIT.
 *
 * Cost: the text is read once, in a stream; memory grows with the number of goroutines and of different stacks, not with
 * the length of the text. Frames have no addresses but those of debug=1, so that calls at one place are one frame.
 */

#include "codec/stream.h"
#include "model/goroutine.h"

enum { GOTEXT_GOROUTINES_MAX = 1 << 23 }; /* of one dump */

/*
 * Appends the goroutines of the stream to *ret (initialized by the caller), with `input` as their origin, and adds to
 * ret->total. Text before and between them is passed over. A stack that is not complete is flagged GOROUTINE_CUT; where
 * the dump seems to end too early, its last goroutine is flagged GOROUTINE_END. Errors: FORMAT with the line when there is
 * no goroutine, or only the beginning of one; LIMIT over GOTEXT_GOROUTINES_MAX; those of the stream.
 */
MUST_CHECK struct err *gotext_read(struct stream *s, uint32_t input, struct goroutines *ret);
