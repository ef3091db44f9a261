/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <time.h>

#include "proc/maps.h"
#include "target/row.h"

static const char *exe_path(struct target *t)
{
	char *path = NULL;
	struct err *err AUTO(err) = proc_process_link(&t->live->process, "exe", &t->arena, &path);
	if (err || !path)
		return NULL;
	static const char deleted[] = " (deleted)";
	size_t len = strlen(path), cut = sizeof(deleted) - 1;
	if (len > cut && strcmp(path + len - cut, deleted) == 0)
		path[len - cut] = 0;
	return path;
}

static void open_memory(struct target *t)
{
	struct target_live *live = t->live;
	t->mem_err = proc_pagemap_open(&live->process, &live->pagemap);
	if (t->mem_err)
		return;
	t->has_pages = true;
	t->mem_err = proc_mem_init(&live->mem, &live->process, &t->maps, &live->pagemap);
	if (!t->mem_err)
		t->mem = &live->mem.src;
}

/* It had memory, or would have had when it was opened, and has none now. */
static bool lost_memory(const struct proc_process *p)
{
	enum { STATM_MAX = 256 };
	if (p->kernel_thread || p->state == 'Z' || p->state == 'X')
		return false;
	AUTO(strbuf) struct strbuf statm;
	strbuf_init(&statm);
	struct err *err AUTO(err) = proc_process_text(p, "statm", STATM_MAX, &statm);
	return !err && statm.len && strncmp(statm.buf, "0 ", 2) == 0;
}

static struct err *live_outcome(const struct target *t, struct err *err)
{
	bool gone = err && err_code(err) == ERR_GONE;
	struct err *now = proc_process_check(&t->live->process);
	if (!now && (gone || t->live->mem.gone || lost_memory(&t->live->process)))
		now = err_wrap(err_gone(), "pid %d", t->pid);
	if (!now || (err && err_code(now) != ERR_GONE)) {
		err_free(now);
		return err;
	}
	err_free(err);
	return now;
}

static bool live_gone(const struct target *t)
{
	return t->live->mem.gone;
}

static uint64_t live_swapped(const struct target *t)
{
	return t->live->mem.swapped_bytes;
}

static struct err *live_pages(struct target *t, uint64_t start, uint64_t end, struct page_vec *ret)
{
	return proc_pagemap_read(&t->live->pagemap, start, end, ret);
}

static int live_file(struct target *t, const struct vma *v)
{
	return t->mem ? proc_mem_file(&t->live->mem, v) : -1;
}

static int64_t clock_ns(clockid_t clock)
{
	struct timespec ts;
	clock_gettime(clock, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

static struct target_clock live_clock(const struct target *t)
{
	return (struct target_clock){ clock_ns(CLOCK_REALTIME), clock_ns(CLOCK_MONOTONIC), clock_ns(CLOCK_BOOTTIME) };
}

static const char *live_environ(struct target *t, const char *name, struct arena *arena)
{
	char *value = NULL;
	struct err *err AUTO(err) = proc_environ_get(&t->live->process, name, arena, &value);
	return err ? NULL : value;
}

static void live_thread_comm(const struct target *t, int tid, char *buf, size_t len)
{
	proc_thread_comm(&t->live->process, tid, buf, len);
}

static struct err *live_remap(struct target *t)
{
	struct vma_vec maps = { 0 };
	struct err *err = proc_maps_read(&t->live->process, &t->arena, &maps);
	if (err) {
		vec_deinit(&maps);
		return err;
	}
	vec_deinit(&t->maps);
	t->maps = maps;
	if (t->mem)
		proc_mem_refresh(&t->live->mem, &t->maps);
	return NULL;
}

static void live_close(struct target *t)
{
	if (t->mem)
		proc_mem_deinit(&t->live->mem);
	if (t->has_pages)
		proc_pagemap_close(&t->live->pagemap);
	proc_process_close(&t->live->process);
	free(t->live);
}

static const struct target_row row_live = {
	.outcome = live_outcome,
	.gone = live_gone,
	.swapped = live_swapped,
	.pages = live_pages,
	.file = live_file,
	.clock = live_clock,
	.environ = live_environ,
	.thread_comm = live_thread_comm,
	.remap = live_remap,
	.close = live_close,
};

struct err *target_open(const char *procfs, int pid, struct target *ret)
{
	*ret = (struct target){ .row = &row_live, .pid = pid, .exe = -1, .live = xcalloc(1, sizeof(*ret->live)) };
	arena_init(&ret->arena);
	ret->live->procfs = procfs;
	struct err *err = proc_process_open(procfs, pid, &ret->live->process);
	if (err) {
		free(ret->live);
		arena_deinit(&ret->arena);
		*ret = (struct target){ 0 };
		return err;
	}
	ret->name = arena_printf(&ret->arena, "pid %d", pid);
	ret->comm = ret->live->process.comm;
	ret->exe = ret->live->process.exe;
	ret->exe_inode = ret->live->process.exe_inode;
	ret->start_ticks = ret->live->process.start_ticks;
	ret->has_page_list = true;
	err = proc_maps_read(&ret->live->process, &ret->arena, &ret->maps);
	if (err) {
		target_close(ret);
		return err;
	}
	ret->exe_path = exe_path(ret);
	open_memory(ret);
	return NULL;
}
