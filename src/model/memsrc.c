/* SPDX-License-Identifier: Apache-2.0 */
#include "model/memsrc.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/cursor.h"

enum {
	GATHER_GAP = 4096,	 /* bytes worth reading over rather than starting another read */
	GATHER_MAX = 256 * 1024, /* longest single read */
};

void memsrc_read_ranges(struct memsrc *src, struct memsrc_range *ranges, size_t n)
{
	if (src->ops->read_ranges) {
		src->ops->read_ranges(src, ranges, n);
		return;
	}
	for (size_t i = 0; i < n; i++)
		ranges[i].ok = memsrc_read(src, ranges[i].addr, ranges[i].buf, ranges[i].len);
}

bool memsrc_u8(struct memsrc *src, uint64_t addr, uint8_t *ret)
{
	return memsrc_read(src, addr, ret, 1);
}

bool memsrc_u32(struct memsrc *src, uint64_t addr, uint32_t *ret)
{
	unsigned char b[4];
	if (!memsrc_read(src, addr, b, sizeof(b)))
		return false;
	*ret = load_u32(b);
	return true;
}

bool memsrc_u64(struct memsrc *src, uint64_t addr, uint64_t *ret)
{
	unsigned char b[8];
	if (!memsrc_read(src, addr, b, sizeof(b)))
		return false;
	*ret = load_u64(b);
	return true;
}

uint64_t memsrc_ptr(struct memsrc *src, uint64_t addr)
{
	uint64_t v = 0;
	return memsrc_u64(src, addr, &v) ? v : 0;
}

struct gather_key {
	uint64_t addr;
	size_t index;
};

static int by_addr(const void *a, const void *b)
{
	const struct gather_key *x = a, *y = b;
	return x->addr < y->addr ? -1 : x->addr > y->addr;
}

struct gather {
	struct memsrc *src;
	size_t size;
	unsigned char *out, *buf;
	bool *ok;
};

/* Read records one by one: the way out when their common range has a hole. */
static size_t gather_singly(const struct gather *g, const struct gather_key *k, size_t n)
{
	size_t got = 0;
	for (size_t i = 0; i < n; i++) {
		unsigned char *to = g->out + k[i].index * g->size;
		bool read = memsrc_read(g->src, k[i].addr, to, g->size);
		if (!read)
			memset(to, 0, g->size);
		if (g->ok)
			g->ok[k[i].index] = read;
		got += read;
	}
	return got;
}

static size_t gather_run(const struct gather *g, const struct gather_key *k, size_t n)
{
	uint64_t start = k[0].addr;
	size_t len = (size_t)(k[n - 1].addr - start) + g->size;
	if (n == 1 || !memsrc_read(g->src, start, g->buf, len))
		return gather_singly(g, k, n);
	for (size_t i = 0; i < n; i++) {
		memcpy(g->out + k[i].index * g->size, g->buf + (k[i].addr - start), g->size);
		if (g->ok)
			g->ok[k[i].index] = true;
	}
	return n;
}

size_t memsrc_gather(struct memsrc *src, const uint64_t *addrs, size_t n, size_t size, void *out, bool *ok)
{
	if (!n)
		return 0;
	AUTO_FREE struct gather_key *keys = xmalloc(n * sizeof(*keys));
	AUTO_FREE unsigned char *buf = xmalloc(GATHER_MAX + size);
	bool sorted = true;
	for (size_t i = 0; i < n; i++) {
		keys[i] = (struct gather_key){ addrs[i], i };
		sorted = sorted && (!i || addrs[i - 1] <= addrs[i]);
	}
	if (!sorted)
		qsort(keys, n, sizeof(*keys), by_addr);
	struct gather g = { .src = src, .size = size, .out = out, .buf = buf, .ok = ok };
	size_t got = 0;
	for (size_t i = 0, j = 0; i < n; i = j) {
		for (j = i + 1; j < n; j++) {
			if (keys[j].addr - keys[j - 1].addr > size + GATHER_GAP ||
			    keys[j].addr - keys[i].addr > GATHER_MAX)
				break;
		}
		got += gather_run(&g, keys + i, j - i);
	}
	return got;
}

struct err *memsrc_fault(uint64_t addr, size_t len, const char *what)
{
	return err_new(ERR_FAULT, "cannot read %zu bytes of %s at 0x%" PRIx64, len, what, addr);
}
