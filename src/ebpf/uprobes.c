/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/ebpf.h"

#include <errno.h>
#include <string.h>

#include <bpf/bpf.h>

#include "ebpf/session.h"
#include <probes.skel.h>

/* ---- which ---- */

static bool has_return(const struct ebpf_probe *p)
{
	return p->kind == EBPF_ALLOC || p->kind == EBPF_REALLOC;
}

static struct err *check(const struct ebpf_probe *p)
{
	bool known = has_return(p) || p->kind == EBPF_FREE || p->kind == EBPF_GOALLOC;
	if (!known || !p->path || p->pid <= 0 || p->sp_adjust % 8 || p->sp_adjust / 8 > 255)
		return err_new(ERR_ARG, "probe %u is none of an allocator", p->function);
	if (has_return(p) && p->sp_adjust)
		return err_new(ERR_ARG, "probe %u: the return address must be on top of the stack", p->function);
	return NULL;
}

static uint64_t cookie_of(const struct ebpf_probe *p)
{
	return (uint64_t)p->function | (uint64_t)p->kind << EBPF_COOKIE_KIND |
	       (uint64_t)p->arg_size << EBPF_COOKIE_SIZE | (uint64_t)p->arg_count << EBPF_COOKIE_COUNT |
	       (uint64_t)p->arg_addr << EBPF_COOKIE_ADDR | (uint64_t)p->arg_out << EBPF_COOKIE_OUT |
	       (uint64_t)(p->sp_adjust / 8) << EBPF_COOKIE_ADJUST;
}

static int by_place(const void *a, const void *b)
{
	const struct ebpf_probe *x = &((const struct ebpf_target *)a)->probe,
				*y = &((const struct ebpf_target *)b)->probe;
	if (x->often != y->often)
		return x->often ? 1 : -1;
	if (x->pid != y->pid)
		return x->pid < y->pid ? -1 : 1;
	int order = strcmp(x->path, y->path);
	return order ? order : (x->offset > y->offset) - (x->offset < y->offset);
}

static bool same_file(const struct ebpf_target *a, const struct ebpf_target *b)
{
	return a->probe.often == b->probe.often && a->probe.pid == b->probe.pid &&
	       strcmp(a->probe.path, b->probe.path) == 0;
}

void ebpf_targets_drop(struct ebpf *e)
{
	ebpf_probes_off(e);
	for (size_t i = 0; i < e->targets.n; i++)
		free(e->targets.v[i].path);
	vec_deinit(&e->targets);
}

struct err *ebpf_probes_set(struct ebpf *e, const struct ebpf_probe *probes, size_t n)
{
	if (n > EBPF_PROBES_MAX)
		return err_new(ERR_LIMIT, "%zu probes, at most %d", n, EBPF_PROBES_MAX);
	for (size_t i = 0; i < n; i++)
		TRY(check(&probes[i]));
	ebpf_targets_drop(e);
	for (size_t i = 0; i < n; i++) {
		struct ebpf_target *t = vec_push(&e->targets);
		t->probe = probes[i];
		t->probe.path = t->path = xstrdup(probes[i].path);
		t->cookie = cookie_of(&probes[i]);
	}
	vec_sort(&e->targets, by_place);
	return NULL;
}

/* ---- on ---- */

/* Probes of one file in one process, those of returns or those of entries; how many is added to n. */
static int attach_multi(struct ebpf *e, const struct ebpf_target *v, size_t n, bool returns, size_t *placed)
{
	AUTO_FREE unsigned long *offsets = xcalloc(n, sizeof(*offsets));
	AUTO_FREE __u64 *cookies = xcalloc(n, sizeof(*cookies));
	size_t count = 0;
	for (size_t i = 0; i < n; i++) {
		if (returns && !has_return(&v[i].probe))
			continue;
		offsets[count] = v[i].probe.offset;
		cookies[count++] = v[i].cookie;
	}
	if (!count)
		return 0;
	LIBBPF_OPTS(bpf_uprobe_multi_opts, opts, .offsets = offsets, .cookies = cookies, .cnt = count,
		    .retprobe = returns);
	struct bpf_program *program = returns ? e->skel->progs.alloc_return : e->skel->progs.alloc_entry;
	struct bpf_link *link = bpf_program__attach_uprobe_multi(program, v->probe.pid, v->probe.path, NULL, &opts);
	if (!link)
		return -errno;
	*vec_push(&e->uprobes) = link;
	*placed += returns ? 0 : count;
	return 0;
}

static int attach_each(struct ebpf *e, const struct ebpf_target *v, size_t n, bool returns, size_t *placed)
{
	int failed = 0;
	for (size_t i = 0; i < n; i++) {
		if (returns && !has_return(&v[i].probe))
			continue;
		LIBBPF_OPTS(bpf_uprobe_opts, opts, .bpf_cookie = v[i].cookie, .retprobe = returns,
			    .attach_mode = PROBE_ATTACH_MODE_LINK);
		struct bpf_program *program = returns ? e->skel->progs.alloc_return : e->skel->progs.alloc_entry;
		struct bpf_link *link = bpf_program__attach_uprobe_opts(program, v[i].probe.pid, v[i].probe.path,
									v[i].probe.offset, &opts);
		if (!link) {
			failed = -errno;
			continue;
		}
		*vec_push(&e->uprobes) = link;
		*placed += returns ? 0 : 1;
	}
	return failed;
}

struct err *ebpf_probes_on(struct ebpf *e)
{
	size_t placed = 0, end;
	int failed = 0;
	if (e->is_on)
		return NULL;
	e->is_on = true;
	for (size_t i = 0; i < e->targets.n; i = end) {
		for (end = i + 1; end < e->targets.n && same_file(&e->targets.v[i], &e->targets.v[end]);)
			end++;
		/* Returns first: what has begun under probes is seen to its end. */
		for (int returns = 1; returns >= 0; returns--) {
			int os = e->multi ? attach_multi(e, e->targets.v + i, end - i, returns, &placed)
					  : attach_each(e, e->targets.v + i, end - i, returns, &placed);
			failed = os ? os : failed;
		}
	}
	e->refused += e->targets.n - placed;
	if (!failed || placed)
		return NULL;
	ebpf_probes_off(e);
	return ebpf_refused(-failed, "placing probes in a library");
}

/* ---- off ---- */

static uint64_t drop_unfinished(struct ebpf *e)
{
	int fd = bpf_map__fd(e->skel->maps.allocs);
	uint64_t key, n = 0;
	while (n < EBPF_CALLS_MAX && !bpf_map_get_next_key(fd, NULL, &key)) {
		bpf_map_delete_elem(fd, &key);
		n++;
	}
	return n;
}

void ebpf_probes_off(struct ebpf *e)
{
	if (!e->is_on)
		return;
	e->is_on = false;
	ebpf_links_destroy(&e->uprobes);
	e->unfinished += drop_unfinished(e);
}
