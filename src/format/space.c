/* SPDX-License-Identifier: Apache-2.0 */
#include "format/space.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "format/parts.h"

enum {
	ALONE = 256,		/* so many mappings can each have a row */
	TINY = 4 * 1024 * 1024, /* neighbours up to this size join when they are called the same */
	BIG_SHARE = 200,	/* a mapping of RSS / this or more keeps its row */
	PAGE = 4096,
};

static const uint64_t FAR = 1ull << 30; /* what a gap of this size parts is shown apart */

static const char *label_of(const struct account *a, size_t i)
{
	const char *label = a->vmas.v[i].label;
	if (label && *label)
		return label;
	return a->maps.v[i].name ? a->maps.v[i].name : "";
}

static bool is_big(const struct account *a, size_t i)
{
	return a->vmas.v[i].rss > a->rss / BIG_SHARE;
}

static bool alike(const struct account *a, size_t i, size_t k)
{
	return vma_size(&a->maps.v[i]) <= TINY && vma_size(&a->maps.v[k]) <= TINY &&
	       strcmp(label_of(a, i), label_of(a, k)) == 0;
}

static void push(struct space_row_vec *rows, size_t from, size_t to)
{
	*vec_push(rows) = (struct space_row){ from, to };
}

static bool far_apart(const struct account *a, size_t i)
{
	return num_sub(a->maps.v[i].start, a->maps.v[i - 1].end) > FAR;
}

/* Joins neighbours that are called the same. */
static void join_alike(const struct account *a, size_t n, struct space_row_vec *rows)
{
	for (size_t i = 0, k = 0; i < n; i = k) {
		for (k = i + 1; n > ALONE && k < n && alike(a, k - 1, k) && !far_apart(a, k); k++)
			;
		push(rows, i, k);
	}
}

/* Joins up to `chunk` neighbours whatever they are; around the big ones and the wide gaps as long as `gently`. */
static void join_chunks(const struct account *a, bool gently, struct space_row_vec *rows)
{
	size_t chunk = (rows->n + SPACE_ROWS - 1) / SPACE_ROWS, n = 0, joined = chunk;
	for (size_t i = 0; i < rows->n; i++) {
		size_t from = rows->v[i].from;
		bool big = gently && rows->v[i].to == from + 1 && is_big(a, from);
		if (!big && joined < chunk && !(gently && far_apart(a, from))) {
			rows->v[n - 1].to = rows->v[i].to;
			joined++;
		} else {
			rows->v[n++] = rows->v[i];
			joined = big ? chunk : 1;
		}
	}
	rows->n = n;
}

void space_rows(const struct account *a, struct space_row_vec *ret)
{
	join_alike(a, num_min(a->vmas.n, a->maps.n), ret);
	if (ret->n > SPACE_ROWS)
		join_chunks(a, true, ret);
	if (ret->n > (size_t)2 * SPACE_ROWS)
		join_chunks(a, false, ret);
}

static uint64_t row_bytes(const struct account *a, const struct space_row *row)
{
	uint64_t bytes = 0;
	for (size_t i = row->from; i < row->to; i++)
		bytes += vma_size(&a->maps.v[i]);
	return bytes;
}

/* Sums of a row while its mappings are laid over its cells. */
struct layer {
	uint64_t stride, total; /* bytes of a cell and of the row */
	uint64_t classes[SPACE_CELLS][CLASS_MAX_];
};

/* Spreads the resident bytes of [pos, pos + len) of the row evenly over the cells below it. */
static void spread(struct layer *l, uint64_t pos, uint64_t len, const uint64_t classes[CLASS_MAX_])
{
	uint64_t end = num_min(pos + len, l->total);
	for (uint64_t at = pos; at < end;) {
		uint64_t cell = num_min(at / l->stride, SPACE_CELLS - 1);
		uint64_t next = num_min(end, (cell + 1) * l->stride);
		double share = (double)(next - at) / (double)len;
		for (unsigned c = 0; c < CLASS_MAX_; c++) {
			if (classes[c])
				l->classes[cell][c] += (uint64_t)((double)classes[c] * share + 0.5);
		}
		if (next <= at)
			break;
		at = next;
	}
}

/* Cells of the account that lie in mapping i; the mapping's own sums where there are none. */
static void spread_mapping(const struct account *a, size_t i, uint64_t pos, size_t *hint, struct layer *l)
{
	const struct vma *m = &a->maps.v[i];
	bool any = false;
	while (*hint < a->cells.n && a->cells.v[*hint].end <= m->start)
		(*hint)++;
	for (; *hint < a->cells.n && a->cells.v[*hint].start < m->end; (*hint)++) {
		const struct account_cell *c = &a->cells.v[*hint];
		uint64_t start = num_max(c->start, m->start), end = num_min(c->end, m->end);
		spread(l, pos + (start - m->start), num_sub(end, start), c->classes);
		any = true;
	}
	if (!any && a->vmas.v[i].rss)
		spread(l, pos, vma_size(m), a->vmas.v[i].classes);
}

static struct space_cell sum_cell(const struct layer *l, size_t k)
{
	uint64_t from = k * l->stride, best = 0;
	struct space_cell cell = { num_min(l->stride, l->total - from), 0, CLASS_MAX_ };
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		uint64_t bytes = l->classes[k][c];
		cell.resident += bytes;
		if (bytes > best) {
			best = bytes;
			cell.class = c;
		}
	}
	cell.resident = num_min(cell.resident, cell.len);
	return cell;
}

size_t space_cells(const struct account *a, const struct space_row *row, size_t *hint,
		   struct space_cell ret[SPACE_CELLS])
{
	struct layer l = { .total = row_bytes(a, row) };
	if (!l.total)
		return 0;
	uint64_t pages = (l.total + PAGE - 1) / PAGE;
	l.stride = (pages + SPACE_CELLS - 1) / SPACE_CELLS * PAGE;
	uint64_t pos = 0;
	for (size_t i = row->from; i < row->to; i++) {
		spread_mapping(a, i, pos, hint, &l);
		pos += vma_size(&a->maps.v[i]);
	}
	size_t n = 0;
	for (; n < SPACE_CELLS && n * l.stride < l.total; n++)
		ret[n] = sum_cell(&l, n);
	return n;
}

/* Runs of equal cells as [pages, class, residency in 1/100] each, in one flat list. */
static void put_cells(struct json *j, const struct space_cell *cells, size_t n)
{
	json_array(j, "c");
	for (size_t i = 0, k = 0; i < n; i = k) {
		uint64_t len = 0, percent = 0;
		for (k = i; k < n; k++) {
			uint64_t p = cells[k].len ? cells[k].resident * 100 / cells[k].len : 0;
			p = cells[k].resident && !p ? 1 : p;
			if (k > i && (p != percent || cells[k].class != cells[i].class))
				break;
			percent = p;
			len += cells[k].len;
		}
		json_u64(j, NULL, (len + PAGE - 1) / PAGE);
		json_i64(j, NULL, cells[i].class == CLASS_MAX_ ? -1 : (int64_t)cells[i].class);
		json_u64(j, NULL, percent);
	}
	json_array_end(j);
}

static void put_sums(struct json *j, const struct account *a, const struct space_row *row)
{
	uint64_t rss = 0, swap = 0, classes[CLASS_MAX_] = { 0 };
	for (size_t i = row->from; i < row->to; i++) {
		rss += a->vmas.v[i].rss;
		swap += a->vmas.v[i].swap;
		for (unsigned c = 0; c < CLASS_MAX_; c++)
			classes[c] += a->vmas.v[i].classes[c];
	}
	json_u64(j, "r", rss);
	if (swap)
		json_u64(j, "w", swap);
	json_array(j, "k");
	for (unsigned c = 0; c < CLASS_MAX_; c++) {
		if (classes[c]) {
			json_u64(j, NULL, c);
			json_u64(j, NULL, classes[c]);
		}
	}
	json_array_end(j);
}

/* What the row is called: its largest mapping; `mixed` when others are called otherwise. */
static size_t name_row(const struct account *a, const struct space_row *row, bool *mixed)
{
	size_t best = row->from;
	*mixed = false;
	for (size_t i = row->from; i < row->to; i++) {
		if (a->vmas.v[i].rss > a->vmas.v[best].rss)
			best = i;
		*mixed = *mixed || strcmp(label_of(a, i), label_of(a, row->from)) != 0;
	}
	return best;
}

static void put_row(struct json *j, const struct account *a, const struct space_row *row, size_t *hint)
{
	struct space_cell cells[SPACE_CELLS];
	char start[24], perms[PARTS_PERMS_LEN];
	bool mixed = false;
	size_t named = name_row(a, row, &mixed), count = row->to - row->from;
	const struct vma *first = &a->maps.v[row->from], *last = &a->maps.v[row->to - 1];
	snprintf(start, sizeof(start), "%" PRIx64, first->start);
	json_object(j, NULL);
	json_str(j, "a", start);
	json_u64(j, "s", first->start / PAGE);
	json_u64(j, "e", last->end / PAGE);
	json_u64(j, "b", row_bytes(a, row));
	json_str(j, "l", label_of(a, named));
	if (a->maps.v[named].name && strcmp(a->maps.v[named].name, label_of(a, named)) != 0)
		json_str(j, "f", a->maps.v[named].name);
	json_str(j, "p", mixed ? "" : parts_perms(a->maps.v[named].flags, perms));
	if (count > 1)
		json_u64(j, "n", count);
	if (mixed)
		json_bool(j, "m", true);
	put_sums(j, a, row);
	put_cells(j, cells, space_cells(a, row, hint, cells));
	json_object_end(j);
}

void space_json(struct json *j, const char *key, const struct account *a)
{
	struct space_row_vec rows = { 0 };
	size_t hint = 0;
	space_rows(a, &rows);
	json_array(j, key);
	for (size_t i = 0; i < rows.n; i++)
		put_row(j, a, &rows.v[i], &hint);
	json_array_end(j);
	vec_deinit(&rows);
}
