/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "codec/folded.h"
#include "codec/pprof.h"
#include "format/flamegraph.h"
#include "format/outputs.h"
#include "operand/diff_source.h"
#include "operand/status.h"
#include "report/diff.h"

enum { BY_DEFAULT = -1 };

struct diff_cli {
	struct arg_vec bases, targets;
	bool json, help;
	int color, by;
	uint64_t leak_threshold, top_n, fail_on, memory;
	const char *sample_index, *file, *flame, *pprof, *folded, *procfs, *exe;
};

#define AT(member) offsetof(struct diff_cli, member)

static const struct option_row options[] = {
	{ "base", 0, OPTION_LIST, AT(bases), "FILE", false, 0, NULL, "what was before; else the first operand is it" },
	{ "target", 0, OPTION_LIST, AT(targets), "FILE", false, 0, NULL, "what is compared with it; may be repeated" },
	{ "by", 0, OPTION_CHOICE, AT(by), "WHAT", false, 0, diff_by_names,
	  "compare by site, type, state, class, goroutine or path (by what objects are held); what there is decides by "
	  "default" },
	{ "memory", 0, OPTION_SIZE, AT(memory), "BYTES", false, 0, NULL,
	  "of --by path: use no more memory than this for an input (default: half of what is available)" },
	{ "sample-index", 0, OPTION_STR, AT(sample_index), "TYPE", false, 0, NULL,
	  "of profiles: the value compared, as alloc_space; default is the profile's own" },
	{ "leak-threshold", 0, OPTION_COUNT, AT(leak_threshold), "N", false, 0, NULL,
	  "leave out what grew by fewer objects than N" },
	{ "top-n", 0, OPTION_COUNT, AT(top_n), "N", false, 0, NULL,
	  "show the first N (default 20 in text, all in JSON)" },
	{ "fail-on", 0, OPTION_SIZE, AT(fail_on), "BYTES", false, 0, NULL,
	  "end with status 1 when one of them, or all together, grew by more (of goroutines: by more of them)" },
	OPTION_ROWS_JSON(diff_cli),
	{ "flame", 0, OPTION_STR, AT(flame), "FILE", false, 0, NULL,
	  "write a flame graph of the target, coloured by what changed, as HTML" },
	{ "pprof", 0, OPTION_STR, AT(pprof), "FILE", false, 0, NULL, "write the difference as a pprof profile" },
	{ "folded", 0, OPTION_STR, AT(folded), "FILE", false, 0, NULL, "write the difference as folded stacks" },
	OPTION_ROWS_CORE(diff_cli),
	OPTION_ROWS_OUT(diff_cli),
	OPTION_ROWS_HELP(diff_cli),
	{ 0 },
};

/* ---- outputs ---- */

enum { TEXT, JSON, PPROF, FOLDED, FLAME };

static void put_flame(const struct diff_report *r, struct strbuf *out)
{
	AUTO(profile) struct profile p;
	AUTO_FREE char *subtitle = xasprintf("%s, then %s", r->diff->inputs[0].name, r->diff->inputs[1].name);
	diff_profile(r->diff, true, &p);
	struct flamegraph f = { .title = "What grew", .subtitle = subtitle, .profile = &p, .type = 1, .base_type = 0 };
	flamegraph_put(&f, out);
}

static void put_pprof(const struct diff_report *r, struct strbuf *out)
{
	AUTO(profile) struct profile p;
	diff_profile(r->diff, false, &p);
	pprof_write(&p, out);
}

static void put_folded(const struct diff_report *r, struct strbuf *out)
{
	AUTO(profile) struct profile p;
	diff_profile(r->diff, false, &p);
	int type = profile_type_find(&p, NULL);
	folded_write(&p, type < 0 ? 0 : (size_t)type, out);
}

static void render(const void *report, int which, struct strbuf *out)
{
	static void (*const by[])(const struct diff_report *, struct strbuf *) = {
		[TEXT] = diff_text, [JSON] = diff_json, [PPROF] = put_pprof, [FOLDED] = put_folded, [FLAME] = put_flame,
	};
	by[which](report, out);
}

static struct err *open_outputs(const struct diff_cli *opt, struct outputs *outs)
{
	outputs_add(outs, FLAME, opt->flame);
	outputs_add(outs, PPROF, opt->pprof);
	outputs_add(outs, FOLDED, opt->folded);
	return outputs_open(outs, opt->json ? JSON : TEXT, opt->file, opt->json);
}

/* ---- the diff ---- */

/* --base and --target stand before operands of the same meaning. */
static struct err *all_operands(const struct diff_cli *opt, const struct arg_vec *operands, struct arg_vec *ret)
{
	if (opt->bases.n > 1)
		return err_new(ERR_ARG, "a diff has one base, but %zu are given", opt->bases.n);
	const struct arg_vec *lists[] = { &opt->bases, operands, &opt->targets };
	for (size_t k = 0; k < sizeof(lists) / sizeof(lists[0]); k++) {
		for (size_t i = 0; i < lists[k]->n; i++)
			*vec_push(ret) = lists[k]->v[i];
	}
	bool pair = opt->flame || opt->pprof || opt->folded;
	if (pair && ret->n > 2)
		return err_new(ERR_ARG, "--flame, --pprof and --folded show two inputs, but %zu are given", ret->n);
	return NULL;
}

/* Did one group, or did all together, grow by more than the limit? */
static bool grew_by_more(const struct diff *d, uint64_t limit)
{
	bool more = d->shown && diff_main(d, d->groups.v[0].delta) > (int64_t)limit;
	for (size_t i = 1; i < d->n && !more; i++) {
		int64_t all = diff_main(d, diff_less(d->totals[i], d->totals[0]));
		more = all != DIFF_UNKNOWN && all > (int64_t)limit;
	}
	return more;
}

/* What the inputs lack, as far as it is about what was compared. */
static void collect_notes(struct diff_sources *src, const struct diff *d, struct arena *arena, struct str_vec *ret)
{
	for (size_t i = 0; i < src->n; i++) {
		snapshot_notes_keep(&src->s[i], diff_parts(d));
		for (size_t k = 0; k < src->s[i].notes.n; k++)
			*vec_push(ret) = arena_printf(arena, "%s: %s", src->inputs[i].name, src->s[i].notes.v[k]);
	}
}

static struct err *show(const struct diff_cli *opt, struct diff_sources *src, struct diff *d, struct outputs *outs,
			int *status)
{
	struct diff_report r = {
		.diff = d,
		.kind = codec_kind_names[src->kind],
		.top = opt->top_n,
		.judged = opt->fail_on != UINT64_MAX,
		.limit = opt->fail_on,
		.style = style_of(output_is_stdout(opt->file) ? STDOUT_FILENO : -1, (enum style_when)opt->color),
	};
	r.failed = r.judged && grew_by_more(d, opt->fail_on);
	collect_notes(src, d, &d->arena, &r.notes);
	struct err *err = outputs_write(outs, render, &r);
	vec_deinit(&r.notes);
	if (r.failed && *status == STATUS_OK)
		*status = STATUS_BAD;
	return err;
}

static struct err *compare(const struct diff_cli *opt, struct diff_sources *src, struct outputs *outs, int *status)
{
	struct diff_options want = { .sample_index = opt->sample_index, .leak_threshold = opt->leak_threshold };
	if (opt->by == BY_DEFAULT)
		TRY(diff_choose(src->inputs, src->n, &want.by));
	else
		want.by = (enum diff_by)opt->by;
	struct diff *d = xcalloc(1, sizeof(*d)); /* with tables for each input: too large for the stack */
	struct err *err = diff_make(src->inputs, src->n, &want, d);
	if (!err)
		err = show(opt, src, d, outs, status);
	diff_deinit(d);
	free(d);
	return err;
}

static struct err *diff(const struct diff_cli *opt, const struct arg_vec *operands, struct outputs *outs, int *status)
{
	TRY(open_outputs(opt, outs));
	struct diff_sources *src = xcalloc(1, sizeof(*src));
	const struct evidence_options how = {
		.parts = opt->by == DIFF_PATH ? SNAPSHOT_OWNERS : 0,
		.account = { .procfs = opt->procfs, .exe = opt->exe },
		.owners = { .memory = opt->memory, .quick = true },
	};
	struct err *err = diff_sources_read(operands, &how, src, status);
	if (!err)
		err = compare(opt, src, outs, status);
	diff_sources_close(src);
	free(src);
	return err;
}

static const struct diff_cli defaults = { .by = BY_DEFAULT, .fail_on = UINT64_MAX, .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	struct outputs outs = { 0 };
	struct arg_vec all = { 0 };
	struct err *err = all_operands(values, operands, &all);
	if (!err)
		err = diff(values, &all, &outs, status);
	outputs_abandon(&outs);
	vec_deinit(&all);
	return err;
}

static const struct command_example examples[] = {
	{ "ullage diff before.ullage after.ullage", "what grew between two snapshots" },
	{ "ullage diff before.ullage 4711", "since a snapshot" },
	{ "ullage diff heap1.pb.gz heap2.pb.gz --flame grew.html", "two profiles, as a picture too" },
	{ "ullage diff old.txt new.txt --by state", "goroutine dumps, by what they wait for" },
	{ "ullage diff a=a.pb.gz b=b.pb.gz c=c.pb.gz", "nodes side by side: which differs from the others" },
	{ "ullage diff 1.hprof 2.hprof --by type --leak-threshold 100", "JVM dumps, arrays by their length" },
	{ "ullage diff 1.hprof 2.hprof --by path", "who holds what grew; of snapshots with --owners, too" },
	{ "ullage diff base.pb.gz pr.pb.gz --fail-on 10MiB", "status 1 when it grew by more" },
	{ NULL, NULL },
};

const struct command command_diff = {
	.name = "diff",
	.purpose = "what grew: between two moments, two builds, or nodes side by side",
	.usage = "diff [OPTIONS] BASE TARGET...\ndiff [OPTIONS] --base BASE --target TARGET...\n"
		 "diff [OPTIONS] NAME=FILE NAME=FILE NAME=FILE...",
	.about = "Compares inputs of one kind: snapshots of `ullage snap` or running processes, pprof\n"
		 "profiles of any tool, goroutine dumps, Go heap dumps (debug.WriteHeapDump), JVM heap\n"
		 "dumps (HPROF). Stacks are matched by function, file and line, and by functions alone\n"
		 "between different builds. A heap profile is as of the last garbage collection. With\n"
		 "NAME= in front an input is a node; of three or more, those that differ are named.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Files need nothing but to be readable. Processes need what `ullage snap` needs.",
	.run = run,
};
