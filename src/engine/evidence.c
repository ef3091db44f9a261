/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <fcntl.h>
#include <unistd.h>

#include "gort/stats.h"
#include "proc/opener.h"
#include "target/target.h"

/* What can be read, in this order: what moves fastest comes last. */
static const struct part {
	enum snapshot_part part;
	const char *step;
	struct err *(*take)(struct target *t, const struct evidence_options *opt, struct snapshot *s);
	bool needs_go;
} parts[] = {
	{ SNAPSHOT_FDS, "reading descriptors", evidence_fds, false },
	{ SNAPSHOT_HEAP, "reading the heap profile", evidence_heap, true },
	{ SNAPSHOT_CENSUS, "counting the heap", evidence_census, true },
	{ SNAPSHOT_TIMERS, "reading timers", evidence_timers, true },
	{ SNAPSHOT_GOROUTINES, "reading goroutines", evidence_goroutines, true },
	{ SNAPSHOT_OWNERS, "reading who holds the heap", evidence_owners, true },
};

enum { PARTS = sizeof(parts) / sizeof(parts[0]) };

static struct err *needs_go(const struct target *t)
{
	if (t->is_go && t->gort.layout)
		return NULL;
	if (t->mem_err)
		return err_new(err_code(t->mem_err), "the process cannot be read: %s", err_text(t->mem_err));
	const char *works = t->live ? "`map` and `fds` work" : "`map` works";
	if (t->lack && (!t->is_go || !t->gort.layout))
		return err_new(ERR_UNSUPPORTED, "no Go runtime that can be read was found: %s", t->lack);
	if (!t->is_go)
		return err_new(ERR_UNSUPPORTED, "not a Go process: no Go image was found in it; %s", works);
	return err_new(ERR_UNSUPPORTED, "%s; %s",
		       t->gort.refusal ? t->gort.refusal : "the layout of this Go runtime is unknown", works);
}

static const char *phase_name(uint32_t phase)
{
	static const char *const names[] = { "off", "mark", "mark termination" };
	return phase < sizeof(names) / sizeof(names[0]) ? names[phase] : NULL;
}

static void read_clock(struct target *t, struct snapshot *s)
{
	const struct target_clock now = target_clock(t);
	s->clock.wall = now.wall;
	s->clock.monotonic = now.monotonic;
	s->clock.boot = now.boot;
	struct gort_stats stats;
	if (!t->is_go || !t->gort.layout || !gort_stats_read(&t->gort, &stats))
		return;
	s->clock.gc_count = s->clock.gc_count_end = stats.num_gc;
	s->clock.num_forced_gc = stats.num_forced_gc;
	s->clock.last_gc_wall = (int64_t)stats.last_gc_unix_ns;
	s->clock.gc_phase = phase_name(stats.gc_phase);
}

static const char *keep(struct snapshot *s, const char *text)
{
	return text ? arena_strdup(&s->arena, text) : NULL;
}

/* The kernel's own name for this boot of this machine, or NULL. */
static const char *read_boot_id(const char *procfs, struct snapshot *s)
{
	enum { BOOT_ID = 36 };
	char text[BOOT_ID];
	AUTO_FREE char *path = xasprintf("%s/sys/kernel/random/boot_id", proc_opener_dir(procfs));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, text, sizeof(text)) != sizeof(text))
		return NULL;
	return arena_strndup(&s->arena, text, sizeof(text));
}

static void read_identity(struct target *t, struct snapshot *s)
{
	const struct gort_module *m = &t->gort.module;
	s->id = (struct snapshot_identity){
		.pid = t->pid,
		.comm = keep(s, t->comm),
		.exe = keep(s, t->exe_path),
		.start_ticks = t->start_ticks,
		.boot_id = t->live ? read_boot_id(t->live->procfs, s) : keep(s, t->boot_id),
		.build_id = t->has_elf ? keep(s, t->elf.build_id ? t->elf.build_id : t->elf.go_build_id) : NULL,
		.go_version = t->is_go ? keep(s, m->version) : NULL,
		.module = t->is_go ? keep(s, m->main_path) : NULL,
	};
	s->source = arena_strdup(&s->arena, t->name);
	for (size_t i = 0; i < t->notes.n; i++)
		snapshot_note(s, "%s", t->notes.v[i]);
}

static struct err *take_part(struct target *t, const struct part *p, const struct evidence_options *opt,
			     struct snapshot *s)
{
	struct err *err = p->needs_go ? needs_go(t) : NULL;
	if (!err)
		err = p->take(t, opt, s);
	if (!err) {
		s->parts |= p->part;
		return NULL;
	}
	if (target_gone(t))
		return err_recode(err, ERR_GONE);
	if (opt->required & p->part || err_code(err) == ERR_GONE)
		return err;
	snapshot_note(s, "%s: %s", p->step, err_text(err));
	err_free(err);
	return NULL;
}

static struct err *take_parts(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	TRY(target_attach(t, NULL));
	read_identity(t, s);
	read_clock(t, s);
	for (size_t i = 0; i < PARTS; i++) {
		if (!(opt->parts & parts[i].part))
			continue;
		if (opt->account.interrupted && *opt->account.interrupted) {
			snapshot_note(s, "interrupted: what follows `%s` is missing", parts[i].step);
			break;
		}
		if (opt->account.progress)
			opt->account.progress(parts[i].step);
		if (!t->live && parts[i].part == SNAPSHOT_FDS && opt->required & ~(unsigned)SNAPSHOT_FDS)
			continue; /* wanted for the sake of another part, and no core has it */
		s->noting = parts[i].part;
		TRY(take_part(t, &parts[i], opt, s));
		s->noting = 0;
	}
	struct gort_stats stats;
	if (t->is_go && t->gort.layout && gort_stats_read(&t->gort, &stats))
		s->clock.gc_count_end = stats.num_gc;
	return NULL;
}

static struct err *take_account(int pid, const struct evidence_options *opt, struct snapshot *s)
{
	TRY(engine_account(pid, &opt->account, &s->account));
	s->parts |= SNAPSHOT_ACCOUNT;
	return NULL;
}

struct err *engine_evidence(int pid, const struct evidence_options *opt, struct snapshot *ret)
{
	struct target t;
	snapshot_init(ret);
	if (!(opt->parts & ~(unsigned)SNAPSHOT_ACCOUNT))
		return take_account(pid, opt, ret);
	TRY(account_open(pid, &opt->account, &t));
	struct err *err = take_parts(&t, opt, ret);
	if (!err && opt->parts & SNAPSHOT_ACCOUNT)
		err = take_account(pid, opt, ret);
	err = target_outcome(&t, err); /* the account opened it again: it must have been the same process, too */
	target_close(&t);
	return err;
}
