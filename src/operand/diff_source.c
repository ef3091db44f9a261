/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/diff_source.h"

#include <string.h>

#include "codec/goproto.h"
#include "codec/gotext.h"
#include "codec/heapdump.h"
#include "codec/hprof.h"
#include "codec/pprof.h"
#include "codec/snapfile.h"
#include "operand/hprof.h"
#include "operand/infile.h"
#include "operand/input.h"

/* ---- readers by kind ---- */

static struct err *read_snapshot(struct infile *f, struct snapshot *ret)
{
	return snapfile_read(&f->stream, ret);
}

/* Whatever it measures; of one of goroutines the states too, as far as stacks tell. */
static struct err *read_profile(struct infile *f, struct snapshot *ret)
{
	struct profile *p = &ret->heap.profile;
	profile_deinit(p);
	TRY(pprof_read(&f->stream, p));
	ret->clock.wall = p->time_unix_ns;
	ret->parts |= SNAPSHOT_HEAP;
	if (p->mappings.n && *p->mappings.v[0].build_id)
		ret->id.build_id = arena_strdup(&ret->arena, p->mappings.v[0].build_id);
	AUTO(err) struct err *other = goroutines_of_profile(p, 0, &ret->goroutines);
	if (!other)
		ret->parts |= SNAPSHOT_GOROUTINES;
	return NULL;
}

static struct err *read_goroutines(struct infile *f, struct snapshot *ret)
{
	ret->parts |= SNAPSHOT_GOROUTINES;
	return gotext_read(&f->stream, 0, &ret->goroutines);
}

static struct err *read_heapdump(struct infile *f, struct snapshot *ret)
{
	return heapdump_read(&f->stream, ret);
}

static struct err *read_hprof(struct infile *f, struct snapshot *ret)
{
	return hprof_read(&f->stream, ret);
}

static struct err *(*const readers[CODEC_KIND_MAX_])(struct infile *f, struct snapshot *ret) = {
	[CODEC_SNAPSHOT] = read_snapshot, [CODEC_PPROF] = read_profile, [CODEC_GOROUTINES] = read_goroutines,
	[CODEC_HEAPDUMP] = read_heapdump, [CODEC_HPROF] = read_hprof,
};

/* ---- operands ---- */

/* Length of NAME in NAME=FILE; 0: no name stands in front. */
static size_t node_name(const char *operand)
{
	size_t n = strcspn(operand, "=/:");
	return operand[n] == '=' ? n : 0;
}

/* Kinds must be the same before any time is spent on the second one. */
static struct err *same_kind(struct diff_sources *d, const char *name, enum codec_kind kind)
{
	if (d->n && d->kind != kind)
		return err_new(ERR_FORMAT, "%s is %s and %s is %s: a diff compares inputs of one kind", d->s[0].source,
			       codec_kind_names[d->kind], name, codec_kind_names[kind]);
	d->kind = kind;
	return NULL;
}

static struct err *read_process(struct diff_sources *d, const char *what, const struct evidence_options *how,
				struct snapshot *ret, int *status)
{
	struct evidence_options want = *how;
	want.parts |= SNAPSHOT_ACCOUNT | SNAPSHOT_HEAP | SNAPSHOT_CENSUS | SNAPSHOT_GOROUTINES;
	TRY(same_kind(d, what, CODEC_SNAPSHOT));
	snapshot_deinit(ret);
	TRY(input_operand(what, &want, ret, status));
	ret->source = input_is_file(what) ? what : arena_printf(&d->arena, "process %s", what);
	return NULL;
}

/* Of a JVM's dump: what retains what, by readings of its own. */
static struct err *add_owners(struct infile *f, const struct evidence_options *how, struct snapshot *ret)
{
	if (f->kind != CODEC_HPROF || !(how->parts & SNAPSHOT_OWNERS))
		return NULL;
	TRY(stream_rewind(&f->stream));
	return hprof_owners(f, &how->owners, how->account.procfs, ret);
}

/* A core is like the process that it was. */
static struct err *read_file(struct diff_sources *d, const char *path, const struct evidence_options *how,
			     struct snapshot *ret, int *status)
{
	AUTO(infile) struct infile f;
	TRY(infile_open(path, &f));
	if (f.kind == CODEC_CORE)
		return read_process(d, path, how, ret, status);
	if (!readers[f.kind])
		return infile_refuse(&f);
	TRY(same_kind(d, f.stream.name, f.kind));
	TRY(readers[f.kind](&f, ret));
	TRY(add_owners(&f, how, ret));
	ret->source = arena_strdup(&d->arena, f.stream.name);
	return NULL;
}

static struct err *read_operand(struct diff_sources *d, const char *operand, const struct evidence_options *how,
				int *status)
{
	size_t name = node_name(operand);
	const char *what = name ? operand + name + 1 : operand;
	struct snapshot *s = &d->s[d->n];
	struct diff_input *in = &d->inputs[d->n];
	snapshot_init(s);
	struct err *err =
		input_is_file(what) ? read_file(d, what, how, s, status) : read_process(d, what, how, s, status);
	*in = (struct diff_input){
		.name = name ? arena_strndup(&d->arena, operand, name) : s->source,
		.node = name > 0,
		.s = s,
	};
	d->n++;
	return err;
}

struct err *diff_sources_read(const struct arg_vec *operands, const struct evidence_options *how,
			      struct diff_sources *ret, int *status)
{
	*ret = (struct diff_sources){ 0 };
	arena_init(&ret->arena);
	if (operands->n < 2)
		return err_new(ERR_ARG, "a diff takes at least two inputs: what was before, and what is now");
	if (operands->n > DIFF_INPUTS_MAX)
		return err_new(ERR_ARG, "a diff takes at most %d inputs, not %zu", DIFF_INPUTS_MAX, operands->n);
	for (size_t i = 0; i < operands->n; i++)
		TRY(read_operand(ret, operands->v[i], how, status));
	return NULL;
}

void diff_sources_close(struct diff_sources *d)
{
	for (size_t i = 0; i < d->n; i++)
		snapshot_deinit(&d->s[i]);
	arena_deinit(&d->arena);
}
