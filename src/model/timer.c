/* SPDX-License-Identifier: Apache-2.0 */
#include "model/timer.h"

const char *const timer_kind_names[TIMER_KIND_MAX_] = {
	[TIMER_TIMER] = "timer",       [TIMER_TICKER] = "ticker", [TIMER_AFTERFUNC] = "afterfunc",
	[TIMER_DEADLINE] = "deadline", [TIMER_OTHER] = "other",
};

void timers_init(struct timers *t)
{
	*t = (struct timers){ 0 };
	stacks_init(&t->stacks);
}

void timers_deinit(struct timers *t)
{
	stacks_deinit(&t->stacks);
	vec_deinit(&t->groups);
}
