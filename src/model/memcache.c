/* SPDX-License-Identifier: Apache-2.0 */
#include "model/memcache.h"

#include <string.h>

#include "base/alloc.h"

static const unsigned char *block(struct memcache *c, uint64_t addr)
{
	uint64_t base = addr - addr % MEMCACHE_BLOCK;
	size_t slot = base / MEMCACHE_BLOCK % MEMCACHE_BLOCKS;
	unsigned char *data = c->blocks + slot * MEMCACHE_BLOCK;
	if (c->tags[slot] == base + 1)
		return data;
	c->tags[slot] = 0;
	if (!memsrc_read(c->under, base, data, MEMCACHE_BLOCK))
		return NULL;
	c->tags[slot] = base + 1;
	return data;
}

static bool cached_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct memcache *c = (struct memcache *)src;
	if (len > MEMCACHE_BLOCK)
		return memsrc_read(c->under, addr, buf, len);
	size_t done = 0;
	while (done < len) {
		uint64_t at = addr + done;
		size_t skip = at % MEMCACHE_BLOCK;
		size_t n = MEMCACHE_BLOCK - skip < len - done ? MEMCACHE_BLOCK - skip : len - done;
		const unsigned char *data = block(c, at);
		if (data)
			memcpy((char *)buf + done, data + skip, n);
		else if (!memsrc_read(c->under, at, (char *)buf + done, n))
			return false;
		done += n;
	}
	return true;
}

static const struct memsrc_ops ops = { .read = cached_read };

void memcache_init(struct memcache *c, struct memsrc *under)
{
	*c = (struct memcache){
		.src = { &ops },
		.under = under,
		.blocks = xmalloc((size_t)MEMCACHE_BLOCKS * MEMCACHE_BLOCK),
	};
}

void memcache_deinit(struct memcache *c)
{
	free(c->blocks);
	c->blocks = NULL;
}
