/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/input.h"

#include <string.h>
#include <sys/stat.h>

#include "codec/goproto.h"
#include "codec/gotext.h"
#include "codec/heapdump.h"
#include "codec/pprof.h"
#include "codec/snapfile.h"
#include "operand/hprof.h"
#include "operand/infile.h"
#include "operand/progress.h"
#include "operand/status.h"
#include "report/show.h"

bool input_is_file(const char *operand)
{
	return operand[strspn(operand, "0123456789")] != 0;
}

struct err *input_kind(const char *path, enum codec_kind *ret)
{
	AUTO(infile) struct infile f;
	TRY(infile_open(path, &f));
	*ret = f.kind;
	return NULL;
}

/* ---- what a file has of what is wanted ---- */

static size_t first_part(unsigned bits)
{
	size_t i = 0;
	while (i + 1 < SHOW_PARTS && !(bits & show_parts[i].part))
		i++;
	return i;
}

/* The error of a file that was read and has not all of what is required. */
static struct err *check_parts(const char *name, enum codec_kind kind, unsigned required, const struct snapshot *s)
{
	unsigned missing = required & ~s->parts;
	if (!missing)
		return NULL;
	const char *what = show_parts[first_part(missing)].name;
	if (kind == CODEC_SNAPSHOT)
		return err_new(ERR_UNSUPPORTED, "%s: this snapshot has no %s; `ullage show` says why", name, what);
	return err_new(ERR_ARG, "%s is %s and has no %s; `%s` reads it", name, codec_kind_names[kind], what,
		       show_parts[first_part(s->parts)].command);
}

/* ---- profiles ---- */

static const char *const heap_names[HEAP_VALUES] = {
	[HEAP_ALLOC_OBJECTS] = "alloc_objects",
	[HEAP_ALLOC_SPACE] = "alloc_space",
	[HEAP_INUSE_OBJECTS] = "inuse_objects",
	[HEAP_INUSE_SPACE] = "inuse_space",
};

/* Where each value of a heap profile stands in this one, -1 where it does not; false when it has none of them. */
static bool heap_columns(const struct profile *p, int ret[HEAP_VALUES])
{
	bool any = false;
	for (int i = 0; i < HEAP_VALUES; i++) {
		ret[i] = profile_type_find(p, heap_names[i]);
		any |= ret[i] >= 0;
	}
	return any;
}

static bool are_in_order(const struct profile *p, const int column[HEAP_VALUES])
{
	bool same = p->n_types == HEAP_VALUES;
	for (int k = 0; k < HEAP_VALUES; k++)
		same &= column[k] == k;
	return same;
}

static void move_values(struct profile *p, const int column[HEAP_VALUES])
{
	struct i64_vec values = { 0 };
	vec_reserve(&values, p->samples.n * HEAP_VALUES + 1);
	for (size_t i = 0; i < p->samples.n; i++) {
		const int64_t *v = profile_values(p, i);
		for (int k = 0; k < HEAP_VALUES; k++)
			*vec_push(&values) = column[k] < 0 ? 0 : v[column[k]];
	}
	vec_deinit(&p->values);
	p->values = values;
}

/* The four values, in the order of HEAP_*, whatever else the profile measures. */
static void reorder_values(struct profile *p, const int column[HEAP_VALUES])
{
	if (!are_in_order(p, column))
		move_values(p, column);
	p->n_types = 0;
	for (int k = 0; k < HEAP_VALUES; k++)
		profile_type_add(p, heap_names[k],
				 k == HEAP_ALLOC_OBJECTS || k == HEAP_INUSE_OBJECTS ? "count" : "bytes");
	if (!p->default_type || profile_type_find(p, p->default_type) < 0)
		p->default_type = heap_names[column[HEAP_INUSE_SPACE] < 0 ? HEAP_ALLOC_SPACE : HEAP_INUSE_SPACE];
}

static void note_columns(struct snapshot *s, const int column[HEAP_VALUES])
{
	for (int i = 0; i < HEAP_VALUES; i++) {
		if (column[i] < 0)
			snapshot_note(s, "the profile does not measure %s: those figures are 0", heap_names[i]);
	}
}

/* Takes the profile. */
static void take_heap(struct profile *p, const int column[HEAP_VALUES], struct snapshot *s)
{
	profile_deinit(&s->heap.profile);
	s->heap.profile = *p;
	profile_init(p);
	p = &s->heap.profile;
	reorder_values(p, column);
	note_columns(s, column);
	s->heap.enabled = true;
	s->heap.rate = p->period > 0 ? (uint64_t)p->period : ACCOUNT_UNKNOWN;
	s->heap.buckets = p->samples.n;
	s->parts |= SNAPSHOT_HEAP;
}

static struct err *unwanted(const char *name, const struct profile *p)
{
	int at = profile_type_find(p, NULL);
	const char *type = at >= 0 ? p->types[at].type : "";
	if (!*type)
		return err_new(ERR_FORMAT, "%s: a pprof profile without a sample type", name);
	return err_new(ERR_ARG,
		       "%s is a pprof profile of %s; `diff` compares those, and `heap` and `goroutines` read "
		       "heap and goroutine profiles",
		       name, type);
}

static void identify(const struct profile *p, struct snapshot *s)
{
	s->clock.wall = p->time_unix_ns;
	if (!p->mappings.n)
		return;
	const struct profile_mapping *m = &p->mappings.v[0];
	s->id.exe = *m->file ? arena_strdup(&s->arena, m->file) : NULL;
	s->id.build_id = *m->build_id ? arena_strdup(&s->arena, m->build_id) : NULL;
}

static struct err *sort_profile(const char *name, struct profile *p, struct snapshot *ret)
{
	int column[HEAP_VALUES];
	identify(p, ret);
	if (heap_columns(p, column)) {
		take_heap(p, column, ret);
		return NULL;
	}
	if (profile_type_find(p, "goroutine") < 0 && profile_type_find(p, "goroutineleak") < 0)
		return unwanted(name, p);
	ret->parts |= SNAPSHOT_GOROUTINES;
	return goroutines_of_profile(p, 0, &ret->goroutines);
}

/* ---- each kind that is read ---- */

static struct err *read_snapshot(struct infile *f, struct snapshot *ret)
{
	return snapfile_read(&f->stream, ret);
}

static struct err *read_profile(struct infile *f, struct snapshot *ret)
{
	struct profile p;
	struct err *err = pprof_read(&f->stream, &p);
	if (!err)
		err = sort_profile(f->stream.name, &p, ret);
	profile_deinit(&p);
	return err;
}

static struct err *read_dump(struct infile *f, struct snapshot *ret)
{
	TRY(gotext_read(&f->stream, 0, &ret->goroutines));
	ret->parts |= SNAPSHOT_GOROUTINES;
	return NULL;
}

/* One without an allocation profile has its objects to show, as a process has whose profiling is off. */
static struct err *read_heapdump(struct infile *f, struct snapshot *ret)
{
	TRY(heapdump_read(&f->stream, ret));
	ret->parts |= SNAPSHOT_HEAP;
	ret->noting = SNAPSHOT_CENSUS;
	snapshot_note(ret, "objects have no type in a heap dump: they are told apart by size and by where their "
			   "pointers are, and those that the last collection left for dead may be among them");
	ret->noting = 0;
	return NULL;
}

static struct err *(*const readers[CODEC_KIND_MAX_])(struct infile *f, struct snapshot *ret) = {
	[CODEC_SNAPSHOT] = read_snapshot,
	[CODEC_PPROF] = read_profile,
	[CODEC_GOROUTINES] = read_dump,
	[CODEC_HEAPDUMP] = read_heapdump,
};

/* ---- a live process, and a core ---- */

static struct err *read_target(int pid, const struct evidence_options *want, struct snapshot *ret)
{
	struct evidence_options opt = *want;
	opt.account.interrupted = &progress_interrupted;
	opt.account.progress = progress_step;
	snapshot_deinit(ret);
	return engine_evidence(pid, &opt, ret);
}

static struct err *read_live(int pid, const struct evidence_options *want, struct snapshot *ret, int *status)
{
	progress_start();
	struct err *err = read_target(pid, want, ret);
	bool interrupted = progress_interrupted;
	progress_end();
	if (interrupted)
		*status = STATUS_INTERRUPTED;
	return err;
}

/* Whoever asks for nothing in particular gets all that a core has. */
static struct err *read_core(struct infile *f, const struct evidence_options *want, struct snapshot *ret, int *status)
{
	AUTO(corefile) struct corefile c;
	struct evidence_options opt = *want;
	opt.account.core = &c.core;
	if (!opt.parts)
		opt.parts = SNAPSHOT_ALL;
	progress_start();
	struct err *err = corefile_open(f, want->account.exe, &c);
	if (!err)
		err = read_target(0, &opt, ret);
	bool interrupted = progress_interrupted;
	progress_end();
	if (interrupted)
		*status = STATUS_INTERRUPTED;
	return err;
}

/* ---- files ---- */

static struct err *read_file(const char *name, const struct evidence_options *want, struct snapshot *ret, int *status)
{
	AUTO(infile) struct infile f;
	TRY(infile_open(name, &f));
	if (f.kind == CODEC_CORE)
		return read_core(&f, want, ret, status);
	bool owners = f.kind == CODEC_HPROF && want->parts & SNAPSHOT_OWNERS;
	if (!readers[f.kind] && !owners)
		return infile_refuse(&f);
	TRY(owners ? hprof_owners(&f, &want->owners, want->account.procfs, ret) : readers[f.kind](&f, ret));
	if (want->parts)
		snapshot_notes_keep(ret, want->parts);
	ret->source = arena_strdup(&ret->arena, f.stream.name);
	return check_parts(f.stream.name, f.kind, want->required, ret);
}

/* ---- whichever ---- */

/* A number is a process, also where a file has it as its name. */
static struct err *also_a_file(struct err *err, const struct arg_vec *operands)
{
	struct stat st;
	if (!err || err_code(err) != ERR_NOT_FOUND || operands->n != 1 || stat(operands->v[0], &st) < 0)
		return err;
	struct err *more =
		err_new(ERR_NOT_FOUND, "%s; the file of that name is given as ./%s", err_text(err), operands->v[0]);
	err_free(err);
	return more;
}

struct err *input_one(const struct arg_vec *operands, const struct target_name *name,
		      const struct evidence_options *want, struct snapshot *ret, int *status)
{
	int pid = 0;
	snapshot_init(ret);
	if (operands->n == 1 && input_is_file(operands->v[0]) && !target_given(&(struct arg_vec){ 0 }, name))
		return read_file(operands->v[0], want, ret, status);
	TRY(target_one(want->account.procfs, operands, name, &pid));
	return also_a_file(read_live(pid, want, ret, status), operands);
}

struct err *input_operand(const char *operand, const struct evidence_options *want, struct snapshot *ret, int *status)
{
	const struct arg_vec one = { .v = &operand, .n = 1 };
	return input_one(&one, &(struct target_name){ 0 }, want, ret, status);
}
