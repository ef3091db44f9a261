/* SPDX-License-Identifier: Apache-2.0 */
#include "record/process.h"

#include <string.h>

#include "base/cursor.h"
#include "proc/cpu.h"
#include "proc/maps.h"

enum { COPY_STACK = EBPF_STACK_BYTES_MAX, FAULT_PERIOD = 16, PROCESSES_MAX = 1024 };

struct record_target *record_process_find(const struct record_watch *w, uint32_t pid)
{
	for (size_t i = w->targets.n; i-- > 0;)
		if ((uint32_t)w->targets.v[i]->pid == pid && !w->targets.v[i]->over)
			return w->targets.v[i];
	return NULL;
}

/*
 * What compiled code does to get at g, of which every assembly function that needs it has one:
 *	mov %fs:DISP,%reg				a program at a fixed address
 *	mov $IMM,%base; mov %fs:(%base),%reg		one that moves, as the linker made it
 *	mov GOT(%rip),%base; mov %fs:(%base),%reg	a library
 */
bool record_go_tls(struct memsrc *src, uint64_t code, int64_t *ret)
{
	enum { LOOK = 128, FS = 0x64, MOV = 0x8b };
	unsigned char b[LOOK];
	if (!memsrc_read(src, code, b, sizeof(b)))
		return false;
	for (size_t i = 0; i + 9 <= LOOK; i++) {
		if (b[i] != FS || (b[i + 1] & 0xf8) != 0x48 || b[i + 2] != MOV)
			continue;
		if ((b[i + 3] & 0xc7) == 0x04 && b[i + 4] == 0x25) {
			*ret = (int32_t)load_u32(b + i + 5);
			return true;
		}
		if ((b[i + 3] & 0xc0) != 0 || i < 7 || b[i - 7] != 0x48)
			return false;
		unsigned base = b[i + 3] & 7;
		if (b[i - 6] == 0xc7 && b[i - 5] == (0xc0 | base)) {
			*ret = (int32_t)load_u32(b + i - 4);
			return true;
		}
		uint64_t word = 0;
		if (b[i - 6] != MOV || b[i - 5] != (0x05 | base << 3) ||
		    !memsrc_u64(src, code + i + (uint64_t)(int64_t)(int32_t)load_u32(b + i - 4), &word))
			return false;
		*ret = (int64_t)word;
		return true;
	}
	return false;
}

static uint32_t offset_of(const struct gort_layout *l, enum gort_field f)
{
	return gort_has(l, f) ? (uint32_t)l->f[f].off : 0;
}

static void fill_go(const struct gort *g, struct ebpf_process *p)
{
	const struct gort_layout *l = g->layout;
	size_t function;
	if (!l || !g->pclntab || !sym_pclntab_find_name(g->pclntab, "runtime.systemstack", &function) ||
	    !record_go_tls(g->src, sym_pclntab_entry(g->pclntab, function), &p->tls_g))
		return;
	p->g_m = offset_of(l, GORT_g_m);
	p->g_stack_lo = offset_of(l, GORT_g_stack_lo);
	p->g_stack_hi = offset_of(l, GORT_g_stack_hi);
	p->g_sched_pc = offset_of(l, GORT_g_sched_pc);
	p->g_sched_sp = offset_of(l, GORT_g_sched_sp);
	p->g_sched_bp = offset_of(l, GORT_g_sched_bp);
	p->g_goid = offset_of(l, GORT_g_goid);
	p->m_g0 = offset_of(l, GORT_m_g0);
	p->m_curg = offset_of(l, GORT_m_curg);
	p->m_gsignal = offset_of(l, GORT_m_gsignal);
	p->is_go = 1;
}

static void attach(struct record_watch *w, struct record_target *t)
{
	struct record_process *row = &w->r->processes.v[t->process];
	struct err *err AUTO(err) = target_attach(&t->t, NULL);
	if (err || !t->t.is_go)
		return;
	row->go_version = arena_strdup(&w->r->arena, t->t.gort.module.version ? t->t.gort.module.version : "");
	fill_go(&t->t.gort, &t->probe);
	if (!t->probe.is_go)
		record_note(w->r, "pid %d: %s; C functions are named without the Go functions that called them", t->pid,
			    t->t.gort.refusal ? t->t.gort.refusal : "how threads lead to goroutines is not known");
}

static void describe(struct record_watch *w, struct record_target *t)
{
	t->process = w->r->processes.n;
	struct record_process *row = vec_push(&w->r->processes);
	row->pid = t->pid;
	row->comm = arena_strdup(&w->r->arena, t->t.comm ? t->t.comm : "");
	row->exe = t->t.exe_path ? arena_strdup(&w->r->arena, t->t.exe_path) : NULL;
	row->allocator =
		(struct record_allocator){ NULL, ACCOUNT_UNKNOWN, ACCOUNT_UNKNOWN, ACCOUNT_UNKNOWN, ACCOUNT_UNKNOWN };
}

struct err *record_process_add(struct record_watch *w, int pid)
{
	if (record_process_find(w, (uint32_t)pid))
		return NULL;
	if (w->targets.n >= PROCESSES_MAX)
		return err_new(ERR_LIMIT, "more than %d processes", PROCESSES_MAX);
	struct record_target *t = xcalloc(1, sizeof(*t));
	struct err *err = target_open(w->opt->procfs, pid, &t->t);
	if (err) {
		free(t);
		return err;
	}
	t->pid = pid;
	arena_init(&t->arena);
	record_ranges_init(&t->ranges);
	record_ranges_init(&t->late);
	record_blocks_init(&t->blocks);
	describe(w, t);
	attach(w, t);
	t->probe.copy_stack = COPY_STACK;
	t->probe.fault_period = w->opt->wanted & 1u << RECORD_RESIDENT ? FAULT_PERIOD : 0;
	err = callpath_new(&t->t, &w->r->stacks, &t->paths);
	if (!err)
		err = ebpf_process_add(w->e, pid, &t->probe);
	if (err) {
		w->r->processes.n--;
		record_process_free(t);
		return err;
	}
	*vec_push(&w->targets) = t;
	record_process_begin(t);
	return NULL;
}

void record_process_begin(struct record_target *t)
{
	struct proc_status status = { 0 };
	proc_cpu_ns(t->pid, &t->cpu_began);
	t->cpu_last = t->cpu_began;
	t->before.n = 0;
	err_free(proc_maps_read(&t->t.live->process, &t->arena, &t->before));
	err_free(proc_status_read(&t->t.live->process, &status));
	t->vm_size = status.vm_size;
}

void record_process_free(struct record_target *t)
{
	callpath_free(t->paths);
	record_ranges_deinit(&t->ranges);
	record_ranges_deinit(&t->late);
	record_blocks_deinit(&t->blocks);
	record_faults_deinit(&t->faults);
	record_sums_deinit(&t->go);
	vec_deinit(&t->before);
	vec_deinit(&t->heap_before.sizes);
	vec_deinit(&t->heap_after.sizes);
	vec_deinit(&t->files);
	arena_deinit(&t->arena);
	target_close(&t->t);
	free(t);
}
