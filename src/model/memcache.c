/* SPDX-License-Identifier: Apache-2.0 */
#include "model/memcache.h"

#include <string.h>

#include "base/alloc.h"

static const unsigned char *block(struct memcache *c, uint64_t addr)
{
	uint64_t base = addr - addr % c->block;
	size_t slot = base / c->block % c->n;
	unsigned char *data = c->blocks + slot * c->block;
	if (c->tags[slot] == base + 1)
		return data;
	c->tags[slot] = 0;
	if (!memsrc_read(c->under, base, data, c->block))
		return NULL;
	c->tags[slot] = base + 1;
	return data;
}

static bool cached_read(struct memsrc *src, uint64_t addr, void *buf, size_t len)
{
	struct memcache *c = (struct memcache *)src;
	if (len > c->block)
		return memsrc_read(c->under, addr, buf, len);
	size_t done = 0;
	while (done < len) {
		uint64_t at = addr + done;
		size_t skip = at % c->block;
		size_t n = c->block - skip < len - done ? c->block - skip : len - done;
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

void memcache_init_sized(struct memcache *c, struct memsrc *under, size_t block, size_t n)
{
	*c = (struct memcache){
		.src = { &ops },
		.under = under,
		.block = block,
		.n = n,
		.tags = xcalloc(n, sizeof(*c->tags)),
		.blocks = xmalloc(n * block),
	};
}

void memcache_init(struct memcache *c, struct memsrc *under)
{
	memcache_init_sized(c, under, MEMCACHE_BLOCK, MEMCACHE_BLOCKS);
}

void memcache_forget(struct memcache *c)
{
	memset(c->tags, 0, c->n * sizeof(*c->tags));
}

void memcache_deinit(struct memcache *c)
{
	free(c->tags);
	free(c->blocks);
	c->tags = NULL;
	c->blocks = NULL;
}
