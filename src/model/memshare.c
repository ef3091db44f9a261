/* SPDX-License-Identifier: Apache-2.0 */
#include "model/memshare.h"

static bool read_through(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	/* src is the first member of a struct memshare. */
	struct memshare *s = (struct memshare *)(void *)src;
	return memsrc_read(s->under, addr, buf, len);
}

static bool read_alone(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct memshare *s = (struct memshare *)(void *)src;
	parallel_lock(&s->lock);
	bool ok = memsrc_read(s->under, addr, buf, len);
	parallel_unlock(&s->lock);
	return ok;
}

static void ranges_through(struct memsrc *src, struct memsrc_range *ranges, size_t n)
{
	struct memshare *s = (struct memshare *)(void *)src;
	memsrc_read_ranges(s->under, ranges, n);
}

static void ranges_alone(struct memsrc *src, struct memsrc_range *ranges, size_t n)
{
	struct memshare *s = (struct memshare *)(void *)src;
	parallel_lock(&s->lock);
	memsrc_read_ranges(s->under, ranges, n);
	parallel_unlock(&s->lock);
}

void memshare_init(struct memshare *s, struct memsrc *under)
{
	static const struct memsrc_ops through = { read_through, ranges_through, true };
	static const struct memsrc_ops alone = { read_alone, ranges_alone, true };
	*s = (struct memshare){ .src = { under->ops->shared ? &through : &alone }, .under = under };
	parallel_lock_init(&s->lock);
}

void memshare_deinit(struct memshare *s)
{
	parallel_lock_deinit(&s->lock);
}
