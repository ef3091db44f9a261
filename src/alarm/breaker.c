/* SPDX-License-Identifier: Apache-2.0 */
#include "alarm/breaker.h"

static bool feed_closed(struct breaker *b, const struct breaker_policy *policy, double share, int64_t now_ns)
{
	bool cooling = b->closed_before && now_ns - b->closed_ns < policy->cooldown_ns;
	if (!(share >= policy->open) || cooling)
		return false;
	b->open = true;
	b->opened_ns = now_ns;
	b->opened_share = share;
	b->low_ns = 0;
	b->times++;
	return true;
}

static bool feed_open(struct breaker *b, const struct breaker_policy *policy, double share, int64_t now_ns)
{
	if (share >= policy->close) { /* false where the share is not known */
		b->low_ns = 0;
		return false;
	}
	if (!b->low_ns)
		b->low_ns = now_ns;
	if (now_ns - b->low_ns < policy->close_after_ns)
		return false;
	b->open = false;
	b->closed_before = true;
	b->closed_ns = now_ns;
	return true;
}

bool breaker_feed(struct breaker *b, const struct breaker_policy *policy, double share, int64_t now_ns)
{
	return b->open ? feed_open(b, policy, share, now_ns) : feed_closed(b, policy, share, now_ns);
}
