/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * alarm/breaker - open while a target must be spared, with hysteresis and cool-down.
 *
 *	closed -> open     at `open` of the limit, unless it closed less than `cooldown` ago
 *	open   -> closed   when the share has been below `close` for `close_after`
 *
 * A share that is not known (NAN) changes nothing and counts neither for nor against closing, except that an open breaker
 * closes when nothing has been known for `close_after`: what cannot be measured is not kept out for ever.
 */

#include <stdbool.h>
#include <stdint.h>

struct breaker_policy {
	double open, close;
	int64_t close_after_ns, cooldown_ns;
};

struct breaker {
	bool open, closed_before;
	int64_t opened_ns, closed_ns; /* when it last did */
	int64_t low_ns;		      /* since when the share is low or unknown; 0: it is not */
	double opened_share;
	unsigned times; /* it opened */
};

/* True when it opened or closed. */
bool breaker_feed(struct breaker *b, const struct breaker_policy *policy, double share, int64_t now_ns);
