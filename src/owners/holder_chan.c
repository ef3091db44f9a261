/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Channels: how many elements wait in them, what their buffers take, and how many goroutines wait for them.
 *
 * The buffer of elements without pointers is behind the channel in one object; of others it is an object of its own.
 */
#include "owners/holders.h"

#include <inttypes.h>
#include <string.h>

#include "model/memcache.h"

enum { RECORD_MAX = 160, BATCH = 1024, WAITERS_MAX = 1 << 20, LITTLE = 4 };

struct chan_walk {
	struct holders *h;
	const struct gort_layout *l;
	struct memcache cache;
	size_t size;
};

/* Length of a queue of waiting goroutines; a queue that does not end was changed while it was read. */
static uint64_t waiting(struct chan_walk *c, uint64_t sudog)
{
	uint64_t n = 0;
	while (sudog && n < WAITERS_MAX) {
		n++;
		sudog = memsrc_ptr(&c->cache.src, gort_at(c->l, sudog, GORT_sudog_next));
	}
	return n < WAITERS_MAX ? n : 0;
}

static void add_chan(struct chan_walk *c, struct holder_rows *rows, uint32_t object, const unsigned char *rec)
{
	struct holders *h = c->h;
	struct goheap_object_at at = goheap_object_get(&h->w->objects, object), buffer;
	uint64_t queued = gort_load(c->l, rec, c->size, GORT_hchan_qcount);
	uint64_t room = gort_load(c->l, rec, c->size, GORT_hchan_dataqsiz);
	uint64_t element = gort_load(c->l, rec, c->size, GORT_hchan_elemsize);
	uint64_t buf = gort_load(c->l, rec, c->size, GORT_hchan_buf), bytes = at.size;
	bool apart = goheap_object_find(&h->w->objects, buf, &buffer) && buffer.number != object;
	if (queued > room || (element && room > (apart ? buffer.size : at.size) / element)) {
		h->moved++;
		return;
	}
	if (apart && room && holder_first_time(h, buffer.number))
		bytes += buffer.size;
	struct holder_row *row = holder_row(h, rows, object, HOLDER_CHAN);
	row->count++;
	row->elements += queued;
	row->bytes += bytes;
	row->a += room;
	row->b += (room - queued) * element;
	row->c += waiting(c, gort_load(c->l, rec, c->size, GORT_hchan_recvq_first)) +
		  waiting(c, gort_load(c->l, rec, c->size, GORT_hchan_sendq_first));
}

static void say(struct holders *h, const struct holder_row *row)
{
	const char *text = arena_printf(&h->w->snapshot->arena,
					"%" PRIu64 " elements queued of %" PRIu64 ", %" PRIu64 " goroutines waiting",
					row->elements, row->a, row->c);
	holder_say(h, "chan", h->w->typing.kinds.v[row->kind].name, row, text);
	if (row->b > row->bytes - row->bytes / LITTLE)
		holder_waste(h, WASTE_CHAN_BUFFER, row, row->bytes, row->bytes - row->b);
}

void holder_chans(struct holders *h)
{
	const struct u32_vec *chans = &h->of[HOLDER_CHAN];
	struct chan_walk c = { .h = h, .l = h->w->in->g->layout };
	c.size = gort_sizeof(c.l, GORT_hchan_SIZEOF);
	if (!chans->n || !c.size || c.size > RECORD_MAX)
		return;
	struct holder_rows rows = { 0 };
	memcache_init(&c.cache, h->w->in->g->src);
	AUTO_FREE unsigned char *recs = xmalloc(BATCH * c.size);
	AUTO_FREE bool *ok = xcalloc(BATCH, sizeof(*ok));
	for (size_t from = 0; from < chans->n; from += BATCH) {
		size_t n = chans->n - from < BATCH ? chans->n - from : BATCH;
		memset(ok, 0, BATCH * sizeof(*ok));
		holder_read(h, chans->v + from, n, c.size, recs, ok);
		for (size_t i = 0; i < n; i++)
			if (ok[i])
				add_chan(&c, &rows, chans->v[from + i], recs + i * c.size);
	}
	for (size_t i = 0; i < rows.list.n; i++)
		say(h, &rows.list.v[i]);
	holder_rows_deinit(&rows);
	memcache_deinit(&c.cache);
}
