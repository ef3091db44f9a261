/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"

/* Keys of smaps and smaps_rollup: "Key:    12 kB". Two keys may add up in one field. */
static const struct smaps_row {
	const char *key;
	size_t offset;
} rows[] = {
	{ "Rss", offsetof(struct proc_smap, rss) },
	{ "Pss", offsetof(struct proc_smap, pss) },
	{ "Swap", offsetof(struct proc_smap, swap) },
	{ "SwapPss", offsetof(struct proc_smap, swap_pss) },
	{ "Anonymous", offsetof(struct proc_smap, anonymous) },
	{ "LazyFree", offsetof(struct proc_smap, lazyfree) },
	{ "AnonHugePages", offsetof(struct proc_smap, anon_huge) },
	{ "Private_Dirty", offsetof(struct proc_smap, dirty) },
	{ "Shared_Dirty", offsetof(struct proc_smap, dirty) },
	{ "Private_Hugetlb", offsetof(struct proc_smap, hugetlb) },
	{ "Shared_Hugetlb", offsetof(struct proc_smap, hugetlb) },
};

/* "start-end ...": a header line. Keys begin with a capital letter, addresses with a small one or a digit. */
static bool header(const char *line, uint64_t *start, uint64_t *end)
{
	const char *dash = strchr(line, '-');
	const char *space = dash ? strchr(dash, ' ') : NULL;
	return space && num_hex(line, (size_t)(dash - line), start) &&
	       num_hex(dash + 1, (size_t)(space - dash - 1), end) && *start <= *end;
}

/* False when a key of ours has no number of KiB behind it; keys that we do not know are fine. */
static bool value(const char *line, struct proc_smap *ret)
{
	const char *colon = strchr(line, ':');
	if (!colon)
		return false;
	size_t klen = (size_t)(colon - line);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (strlen(rows[i].key) != klen || memcmp(rows[i].key, line, klen) != 0)
			continue;
		const char *s = colon + 1 + strspn(colon + 1, " ");
		uint64_t kib = 0, sum = 0;
		if (!num_dec(s, strspn(s, "0123456789"), &kib) || kib > UINT64_MAX / 1024)
			return false;
		void *to = (char *)ret + rows[i].offset;
		memcpy(&sum, to, sizeof(sum));
		if (__builtin_add_overflow(sum, kib * 1024, &sum))
			return false;
		memcpy(to, &sum, sizeof(sum));
		return true;
	}
	return true;
}

struct err *proc_smaps_parse(int fd, struct proc_smap_vec *ret)
{
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	const size_t base = ret->n;
	for (;;) {
		char *line = NULL;
		TRY(lines_next(&l, &line, NULL));
		if (!line)
			return NULL;
		uint64_t start = 0, end = 0;
		if (header(line, &start, &end)) {
			if (ret->n - base >= PROC_MAPS_MAX)
				return err_new(ERR_LIMIT, "more than %d mappings", PROC_MAPS_MAX);
			*vec_push(ret) = (struct proc_smap){ .start = start, .end = end };
		} else if (ret->n == base || !value(line, &ret->v[ret->n - 1])) {
			return err_new(ERR_FORMAT, "line %zu is neither a mapping nor a number of kB", l.line);
		}
	}
}

struct err *proc_rollup_parse(int fd, struct proc_rollup *ret)
{
	*ret = (struct proc_rollup){ 0 };
	struct proc_smap_vec all = { 0 };
	struct err *err = proc_smaps_parse(fd, &all);
	if (!err && all.n != 1)
		err = err_new(ERR_FORMAT, "%zu header lines where one belongs", all.n);
	if (!err) {
		const struct proc_smap *s = &all.v[0];
		*ret = (struct proc_rollup){
			.rss = s->rss,
			.pss = s->pss,
			.swap = s->swap,
			.swap_pss = s->swap_pss,
			.anonymous = s->anonymous,
			.lazyfree = s->lazyfree,
			.anon_huge = s->anon_huge,
			.hugetlb = s->hugetlb,
		};
	}
	vec_deinit(&all);
	return err;
}

struct err *proc_rollup_read(const struct proc_process *p, struct proc_rollup *ret)
{
	AUTO_CLOSE int fd = -1;
	TRY(proc_process_file(p, "smaps_rollup", O_RDONLY, &fd));
	return err_wrap(proc_rollup_parse(fd, ret), "pid %d: reading smaps_rollup", p->pid);
}

struct err *proc_smaps_read(const struct proc_process *p, struct proc_smap_vec *ret)
{
	AUTO_CLOSE int fd = -1;
	TRY(proc_process_file(p, "smaps", O_RDONLY, &fd));
	return err_wrap(proc_smaps_parse(fd, ret), "pid %d: reading smaps", p->pid);
}
