/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/dump.h"

#include <fcntl.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/num.h"
#include "core/write.h"
#include "engine/dump_copy.h"
#include "engine/dump_structure.h"
#include "proc/available.h"
#include "proc/opener.h"
#include "proc/stop.h"
#include "target/target.h"

enum {
	PAGE = 4096,
	TEXT_MAX = 64 << 10, /* of the command line and the auxiliary vector */
	STOP_TRIES = 3,
	SLACK = 64 << 20, /* that a target may grow before it stands still */
};

static const uint64_t USER_END = UINT64_C(1) << 47;
static const uint64_t GAP = 16 << 20;			/* absent memory that is worth a segment of its own */
static const int64_t STOP_NS = INT64_C(2000000000);	/* until a whole copy is given up */
static const uint64_t BYTES_PER_MS = UINT64_C(8) << 20; /* more cannot be copied */

static int64_t now_ns(void)
{
	struct timespec ts;
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct dumper {
	const struct dump_options *opt;
	struct dump *out;
	struct target t;
	struct proc_stop stop;
	struct target_clock clock;
	struct core_thread_vec threads;
	struct core_fp_vec fp; /* of stopped ones */
	struct page_vec pages;
	struct core_range_vec ranges; /* to be copied */
	struct core_range_vec stored; /* with room in the file: ranges, and small gaps between them */
	struct held_memory held;
	struct dump_structure structure;
};

static void progress(const struct dumper *d, const char *step)
{
	if (d->opt->progress)
		d->opt->progress(step);
}

static void note(struct dump *d, const char *text)
{
	*vec_push(&d->notes) = text;
}

/* ---- which pages ---- */

enum wanted { WANT_NOTHING, WANT_OWN, WANT_ALL, WANT_WHOLE };

static bool is_memory_file(const char *name)
{
	static const char *const starts[] = { "/memfd:", "/dev/shm/", "/SYSV", "/dev/zero", "[anon_shmem:" };
	for (size_t i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
		if (strncmp(name, starts[i], strlen(starts[i])) == 0)
			return true;
	}
	return false;
}

/* Of a file that anybody can read again only private copies of pages are wanted. */
static enum wanted wanted_of(const struct dumper *d, const struct vma *v)
{
	if (v->start >= USER_END || strncmp(v->name, "[vvar", 5) == 0)
		return WANT_NOTHING;
	if (!v->inode || is_memory_file(v->name))
		return WANT_ALL;
	if (d->opt->files || (v->flags & VMA_DELETED && v->inode == d->t.exe_inode))
		return WANT_WHOLE;
	return v->flags & VMA_DELETED ? WANT_ALL : WANT_OWN;
}

/* The first page of a program or library, by which it is known again. */
static bool is_elf_head(struct dumper *d, const struct vma *v)
{
	char magic[4];
	return v->inode && !v->offset && memsrc_read(d->t.mem, v->start, magic, 4) && !memcmp(magic, "\177ELF", 4);
}

/* Ranges from `first` on are of one mapping: they grow together, and not with those before. */
static void want(struct dumper *d, size_t first, uint64_t start, uint64_t end)
{
	const bool joins = d->ranges.n > first;
	if (joins)
		start = num_max(start, d->ranges.v[d->ranges.n - 1].end);
	if (start >= end)
		return;
	if (joins && d->ranges.v[d->ranges.n - 1].end == start)
		d->ranges.v[d->ranges.n - 1].end = end;
	else
		*vec_push(&d->ranges) = (struct core_range){ start, end };
}

static void want_run(struct dumper *d, size_t first, enum wanted wanted, const struct page_run *run)
{
	uint64_t bytes = run->end - run->start;
	if (run->kind == PAGE_SWAP)
		d->out->swapped += bytes;
	else if (wanted == WANT_ALL || (wanted == WANT_OWN && run->kind == PAGE_ANON))
		want(d, first, run->start, run->end);
	else if (wanted == WANT_OWN)
		d->out->in_files += bytes;
}

/* Joins what is near enough; of a file nothing, for a hole would hide what the file has. */
static void store(struct dumper *d, const struct vma *v, size_t from)
{
	uint64_t gap = v->inode && !is_memory_file(v->name) ? 0 : GAP;
	for (size_t i = from; i < d->ranges.n; i++) {
		const struct core_range *r = &d->ranges.v[i];
		if (i > from && r->start - d->stored.v[d->stored.n - 1].end <= gap)
			d->stored.v[d->stored.n - 1].end = r->end;
		else
			*vec_push(&d->stored) = *r;
	}
}

static struct err *choose_vma(struct dumper *d, const struct vma *v)
{
	const size_t run = d->pages.n, first = d->ranges.n;
	enum wanted wanted = wanted_of(d, v);
	if (v->start < USER_END)
		TRY(target_pages(&d->t, v->start, v->end, &d->pages));
	if (wanted == WANT_NOTHING)
		return NULL;
	if (wanted == WANT_WHOLE)
		want(d, first, v->start, v->end);
	else if (is_elf_head(d, v))
		want(d, first, v->start, v->start + PAGE);
	for (size_t i = run; i < d->pages.n; i++)
		want_run(d, first, wanted, &d->pages.v[i]);
	store(d, v, first);
	return NULL;
}

static struct err *choose(struct dumper *d)
{
	d->pages.n = d->ranges.n = d->stored.n = 0;
	d->out->swapped = d->out->in_files = 0;
	for (size_t i = 0; i < d->t.maps.n; i++)
		TRY(choose_vma(d, &d->t.maps.v[i]));
	return NULL;
}

static uint64_t sum(const struct core_range_vec *ranges)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < ranges->n; i++)
		bytes += ranges->v[i].end - ranges->v[i].start;
	return bytes;
}

/* ---- threads ---- */

static void add_thread(struct dumper *d, pid_t tid)
{
	enum { RAX = 10, ORIG_RAX = 15 };
	static const int args[] = { 14, 13, 12, 7, 9, 8 }; /* rdi, rsi, rdx, r10, r8, r9 */
	struct core_thread th = { .tid = tid };
	struct proc_thread_call call;
	bool known = d->stop.tids.n > 0;
	if (known) {
		known = proc_stop_user_regs(tid, th.regs, vec_push(&d->fp)->bytes);
	} else if (proc_thread_call(&d->t.live->process, tid, &call)) {
		known = true;
		th.regs[CORE_REG_IP] = call.pc;
		th.regs[CORE_REG_SP] = call.sp;
		th.regs[RAX] = th.regs[ORIG_RAX] = (uint64_t)call.number;
		for (int i = 0; i < 6; i++)
			th.regs[args[i]] = call.args[i];
	}
	d->out->threads++;
	d->out->registers += known;
	*vec_push(&d->threads) = th;
}

/* The main thread first, as the kernel and debuggers have it. */
static struct err *read_threads(struct dumper *d)
{
	struct tid_vec tids = { 0 };
	struct err *err = proc_threads(&d->t.live->process, &tids);
	d->threads.n = d->fp.n = 0;
	d->out->threads = d->out->registers = 0;
	for (int others = 0; others < 2 && !err; others++) {
		for (size_t i = 0; i < tids.n; i++) {
			if ((tids.v[i] != d->t.pid) == others)
				add_thread(d, tids.v[i]);
		}
	}
	vec_deinit(&tids);
	return err;
}

/* ---- the moment ---- */

static struct err *look(struct dumper *d)
{
	TRY(target_remap(&d->t));
	TRY(read_threads(d));
	d->clock = target_clock(&d->t);
	return choose(d);
}

/* Everything but the heap, which is most and can be read torn. */
static void split_off_heap(const struct dumper *d, struct core_range_vec *rest, struct core_range_vec *heap)
{
	struct gort_heap h = { 0 };
	bool known = d->t.is_go && d->t.gort.layout;
	struct err *err AUTO(err) = known ? gort_heap_read(&d->t.gort, 1, &h) : NULL;
	for (size_t i = 0; i < d->ranges.n; i++) {
		const struct core_range *r = &d->ranges.v[i];
		bool of_heap = known && !err && gort_heap_arena(&h, r->start);
		*vec_push(of_heap ? heap : rest) = *r;
	}
	if (known && !err)
		gort_heap_deinit(&h);
}

static void copy_within(struct dumper *d, int64_t deadline)
{
	struct core_range_vec rest = { 0 }, heap = { 0 };
	const bool all = d->opt->stop == DUMP_STOP_FULL;
	if (all)
		d->out->held = held_copy(&d->held, d->t.mem, &d->ranges, INT64_MAX, d->opt->interrupted);
	else
		split_off_heap(d, &rest, &heap);
	d->out->held += held_copy(&d->held, d->t.mem, &rest, deadline, d->opt->interrupted);
	d->out->held += held_copy(&d->held, d->t.mem, &heap, deadline, d->opt->interrupted);
	vec_deinit(&rest);
	vec_deinit(&heap);
}

/* How much memory a copy under the stop takes; 0: it goes straight to the file. */
static size_t held_size(struct dumper *d)
{
	uint64_t bytes = sum(&d->ranges) + sum(&d->ranges) / 8 + SLACK, budget = proc_available("/proc") / 2;
	if (d->opt->stop == DUMP_STOP_META)
		return (size_t)num_min(num_min(bytes, budget),
				       ((uint64_t)d->opt->stop_budget_ns / 1000000 + 1) * BYTES_PER_MS);
	return bytes > budget ? 0 : (size_t)bytes;
}

/*
 * Threads may all be waiting for a processor: they get a few chances. Who asked for a little consistency gets a core
 * without it in the end, and a note; who asked for all of it gets none.
 */
static struct err *hold(struct dumper *d)
{
	const bool full = d->opt->stop == DUMP_STOP_FULL;
	struct err *err = NULL;
	for (int i = 0; i < STOP_TRIES; i++) {
		err_free(err);
		err = proc_stop_all(&d->t.live->process, full ? STOP_NS : d->opt->stop_budget_ns / 2, &d->stop);
		if (!err)
			return NULL;
		proc_stop_release(&d->stop);
		if (err_code(err) != ERR_LIMIT || d->stop.tids.n) /* latecomers must not be seized again */
			break;
	}
	if (full || err_code(err) != ERR_LIMIT)
		return err;
	note(d->out, arena_printf(&d->out->arena, "it was not stopped: %s", err_text(err)));
	err_free(err);
	d->stop.tids.n = 0;
	return NULL;
}

/*
 * All that is to be of one moment. With a whole copy for which there is no memory the target stays stopped until the file
 * is written.
 */
static struct err *take_moment(struct dumper *d)
{
	const bool full = d->opt->stop == DUMP_STOP_FULL;
	TRY(look(d));
	if (d->opt->stop == DUMP_STOP_NO)
		return NULL;
	size_t size = held_size(d);
	bool room = size && held_open(&d->held, size);
	TRY(hold(d));
	if (!d->stop.tids.n)
		return NULL;
	TRY(look(d));
	if (room)
		copy_within(d, d->stop.since + d->opt->stop_budget_ns);
	if (!full || (room && d->out->held >= sum(&d->ranges)))
		proc_stop_release(&d->stop);
	held_finish(&d->held);
	return NULL;
}

/* ---- the file ---- */

/* A file of procfs that is not text. */
static void read_raw(const struct dumper *d, const char *name, struct strbuf *to)
{
	struct err *err AUTO(err) = proc_process_text(&d->t.live->process, name, TEXT_MAX, to);
	if (err)
		strbuf_clear(to);
}

static void read_boot_id(const struct dumper *d, char *buf, size_t len)
{
	AUTO_FREE char *path = xasprintf("%s/sys/kernel/random/boot_id", proc_opener_dir(d->opt->procfs));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
}

static uint64_t resident(const struct page_vec *pages)
{
	uint64_t bytes = 0;
	for (size_t i = 0; i < pages->n; i++)
		bytes += pages->v[i].kind == PAGE_SWAP ? 0 : pages->v[i].end - pages->v[i].start;
	return bytes;
}

/* Copies of text and keys pass through registers, above all through those of vectors. */
static void blank_registers(struct dumper *d)
{
	enum { GENERAL = 15 }; /* the next is the number of the system call */
	for (size_t i = 0; i < d->threads.n; i++)
		dump_structure_registers(&d->structure, d->threads.v[i].regs, GENERAL);
	for (size_t i = 0; i < d->fp.n; i++)
		memset(d->fp.v[i].bytes, 0, sizeof(d->fp.v[i].bytes));
}

static struct err *make_plan(struct dumper *d, struct core_plan *plan)
{
	char boot_id[64];
	AUTO(strbuf) struct strbuf auxv, args;
	strbuf_init(&auxv);
	strbuf_init(&args);
	read_raw(d, "auxv", &auxv);
	if (d->opt->structure_only)
		blank_registers(d);
	else
		read_raw(d, "cmdline", &args);
	for (size_t i = 0; i + 1 < args.len; i++) {
		if (!args.buf[i])
			args.buf[i] = ' ';
	}
	read_boot_id(d, boot_id, sizeof(boot_id));
	const struct core_about about = {
		.pid = d->t.pid,
		.comm = d->t.comm,
		.args = args.buf,
		.auxv = auxv.buf,
		.auxv_len = auxv.len,
		.maps = &d->t.maps,
		.pages = &d->pages,
		.threads = &d->threads,
		.fp = &d->fp,
		.origin = {
			.structure_only = d->opt->structure_only,
			.wall = d->clock.wall,
			.monotonic = d->clock.monotonic,
			.boot = d->clock.boot,
			.start_ticks = d->t.start_ticks,
			.rss = resident(&d->pages),
			.stopped_ns = (uint64_t)d->stop.stopped_ns,
			.boot_id = boot_id,
		},
	};
	return core_plan_make(&about, &d->stored, plan);
}

static struct err *write_core(struct dumper *d, const struct core_plan *plan, dump_write_fn write, void *ctx)
{
	struct dump_copy copy = {
		.src = d->t.mem,
		.held = &d->held,
		.structure = d->opt->structure_only ? &d->structure : NULL,
		.segments = &plan->segments,
		.ranges = &d->ranges,
		.write = write,
		.ctx = ctx,
		.interrupted = d->opt->interrupted,
		.out = d->out,
	};
	for (size_t i = 0; copy.structure && i < d->threads.n; i++)
		dump_structure_stack(copy.structure, d->threads.v[i].regs[CORE_REG_SP]);
	progress(d, "writing the core");
	d->out->size = plan->size;
	TRY(write(ctx, 0, plan->head.buf, plan->head.len));
	return dump_copy_run(&copy);
}

static void note_outcome(struct dumper *d)
{
	const struct dump *o = d->out;
	if (o->registers < o->threads)
		note(d->out,
		     d->opt->stop == DUMP_STOP_NO
			     ? "registers are those of threads that sleep in the kernel; of those that ran they "
			       "are zeros: --stop reads them all"
			     : "a thread ended before its registers were read: they are zeros");
	if (o->swapped)
		note(d->out, "what is in swap was left there, and cannot be read from the core");
	if (o->unread)
		note(d->out, "some pages went away before they were read: they are zeros; --stop=full copies all of "
			     "one moment");
	if (d->opt->stop == DUMP_STOP_FULL && !d->held.memory)
		note(d->out, "there was no memory for a copy, so the process stood still until the file was written");
	if (o->interrupted)
		note(d->out, "interrupted");
}

static struct err *dump_target(struct dumper *d, dump_write_fn write, void *ctx)
{
	struct core_plan plan = { 0 };
	if (!d->t.mem)
		return err_new(err_code(d->t.mem_err), "the memory of pid %d cannot be read: %s", d->t.pid,
			       err_text(d->t.mem_err));
	progress(d, "looking for the Go image");
	TRY(target_attach(&d->t, NULL));
	if (d->opt->structure_only)
		TRY(dump_structure_init(&d->structure, &d->t, d->out));
	progress(d, "reading the page map");
	TRY(take_moment(d));
	struct err *err = make_plan(d, &plan);
	if (!err)
		err = write_core(d, &plan, write, ctx);
	core_plan_deinit(&plan);
	proc_stop_release(&d->stop);
	d->out->stopped_ns = d->stop.stopped_ns;
	if (!err)
		note_outcome(d);
	return err;
}

static void dumper_end(struct dumper *d)
{
	proc_stop_release(&d->stop);
	dump_structure_deinit(&d->structure);
	held_close(&d->held);
	vec_deinit(&d->threads);
	vec_deinit(&d->fp);
	vec_deinit(&d->pages);
	vec_deinit(&d->ranges);
	vec_deinit(&d->stored);
	target_close(&d->t);
}

struct err *engine_dump(int pid, const struct dump_options *opt, dump_write_fn write, void *ctx, struct dump *ret)
{
	int64_t since = now_ns();
	struct dumper d = { .opt = opt, .out = ret };
	*ret = (struct dump){ .pid = pid };
	arena_init(&ret->arena);
	TRY(target_open(opt->procfs, pid, &d.t));
	ret->comm = arena_strdup(&ret->arena, d.t.comm);
	struct err *err = target_outcome(&d.t, dump_target(&d, write, ctx));
	dumper_end(&d);
	ret->elapsed_ns = now_ns() - since;
	return err;
}

void dump_deinit(struct dump *d)
{
	vec_deinit(&d->notes);
	arena_deinit(&d->arena);
}
