/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "codec/folded.h"
#include "codec/pprof.h"
#include "format/flamegraph.h"
#include "format/outputs.h"
#include "operand/infile.h"
#include "operand/input.h"
#include "report/heap.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct heap_options {
	struct target_name target;
	bool json, help;
	int color, by;
	uint64_t top;
	const char *file, *procfs, *exe, *pprof, *folded, *flame, *escapes;
};

#define AT(member) offsetof(struct heap_options, member)

static const struct option_row options[] = {
	{ "by", 0, OPTION_CHOICE, AT(by), "BY", false, 0, heap_by_names,
	  "site (who allocated what is in use; the default), type, size (by class) or span (what each P holds)" },
	{ "top", 0, OPTION_COUNT, AT(top), "N", false, 0, NULL,
	  "show N rows (default 10 sites or types; all in JSON)" },
	{ "pprof", 0, OPTION_STR, AT(pprof), "FILE", false, 0, NULL, "the profile, as `go tool pprof` reads it" },
	{ "folded", 0, OPTION_STR, AT(folded), "FILE", false, 0, NULL, "bytes in use as folded stacks" },
	{ "flame", 0, OPTION_STR, AT(flame), "FILE", false, 0, NULL, "bytes in use as a flame graph, an HTML page" },
	{ "escapes", 0, OPTION_STR, AT(escapes), "FILE", false, 0, NULL,
	  "what `go build -gcflags=-m` printed: why a site's variable is on the heap" },
	OPTION_ROWS_JSON(heap_options),
	OPTION_ROWS_CORE(heap_options),
	OPTION_ROWS_OUT(heap_options),
	OPTION_ROWS_TARGET(heap_options),
	OPTION_ROWS_HELP(heap_options),
	{ 0 },
};

/* ---- what is written ---- */

enum { TEXT, JSON, PPROF, FOLDED, FLAME };

static void put_folded(const struct heap_report *r, struct strbuf *out)
{
	folded_write(&r->snapshot->heap.profile, HEAP_INUSE_SPACE, out);
}

static void put_pprof(const struct heap_report *r, struct strbuf *out)
{
	pprof_write(&r->snapshot->heap.profile, out);
}

static void put_flame(const struct heap_report *r, struct strbuf *out)
{
	const struct snapshot *s = r->snapshot;
	AUTO_FREE char *title = xasprintf("Heap of %s", s->id.comm  ? s->id.comm
							: s->source ? s->source
								    : "a Go program");
	struct flamegraph f = {
		.title = title,
		.subtitle = "bytes in use by allocation site, as of the last garbage collection",
		.profile = &s->heap.profile,
		.type = HEAP_INUSE_SPACE,
		.base_type = -1,
	};
	flamegraph_put(&f, out);
}

static void render(const void *report, int which, struct strbuf *out)
{
	static void (*const by[])(const struct heap_report *, struct strbuf *) = {
		[TEXT] = heap_text, [JSON] = heap_json, [PPROF] = put_pprof, [FOLDED] = put_folded, [FLAME] = put_flame,
	};
	by[which](report, out);
}

static bool wants_profile(const struct heap_options *opt)
{
	return opt->pprof || opt->folded || opt->flame;
}

static struct err *open_outputs(const struct heap_options *opt, struct outputs *outs)
{
	outputs_add(outs, PPROF, opt->pprof);
	outputs_add(outs, FOLDED, opt->folded);
	outputs_add(outs, FLAME, opt->flame);
	return outputs_open(outs, opt->json ? JSON : TEXT, opt->file, opt->json);
}

/* ---- what is read ---- */

static struct err *read_escapes(const char *path, struct escapes *ret)
{
	AUTO(infile) struct infile f;
	TRY(infile_open(path, &f));
	return escapes_read(&f.stream, ret);
}

/* Every sample gets two more labels, so that a collector of profiles can group by them; pprof's graphs leave them out. */
static void label_cgroup(struct heap_view *h)
{
	struct profile *p = &h->profile;
	const struct profile_label more[] = {
		{ "cgroup_limit", NULL, (int64_t)h->cgroup_limit, "bytes" },
		{ "cgroup_usage", NULL, (int64_t)h->cgroup_usage, "bytes" },
	};
	struct profile_label_vec labels = { 0 };
	vec_reserve(&labels, p->labels.n + p->samples.n * LEN(more) + 1);
	for (size_t i = 0; i < p->samples.n; i++) {
		struct profile_sample *s = &p->samples.v[i];
		uint32_t at = (uint32_t)labels.n;
		for (uint32_t k = 0; k < s->label_n; k++)
			*vec_push(&labels) = p->labels.v[s->label_at + k];
		for (size_t k = 0; k < LEN(more); k++) {
			if ((uint64_t)more[k].number != ACCOUNT_UNKNOWN)
				*vec_push(&labels) = more[k];
		}
		s->label_at = at;
		s->label_n = (uint32_t)labels.n - at;
	}
	vec_deinit(&p->labels);
	p->labels = labels;
}

static struct err *read_heap(const struct heap_options *opt, const struct arg_vec *operands, struct snapshot *s,
			     int *status)
{
	bool census = opt->by != HEAP_BY_SITE && !opt->json && !wants_profile(opt);
	struct evidence_options want = {
		.parts = SNAPSHOT_HEAP | SNAPSHOT_CENSUS,
		.required = census ? SNAPSHOT_CENSUS : SNAPSHOT_HEAP,
		.account = { .procfs = opt->procfs, .exe = opt->exe },
	};
	TRY(input_one(operands, &opt->target, &want, s, status));
	if (census && opt->by != HEAP_BY_TYPE && !s->heap.spans.n)
		return err_new(ERR_ARG, "%s has objects and no spans: --by type and --by site work", s->source);
	if (wants_profile(opt) && s->heap.reason && !s->heap.profile.samples.n)
		return err_new(ERR_UNSUPPORTED, "there is no profile to write: %s; --by type and --by size work",
			       s->heap.reason);
	if (opt->pprof)
		label_cgroup(&s->heap);
	return NULL;
}

static struct err *show(const struct heap_options *opt, const struct arg_vec *operands, struct outputs *outs,
			int *status)
{
	struct escapes escapes = { 0 };
	struct snapshot s = { 0 };
	struct err *err = opt->escapes ? read_escapes(opt->escapes, &escapes) : NULL;
	if (!err)
		err = open_outputs(opt, outs);
	if (!err)
		err = read_heap(opt, operands, &s, status);
	struct heap_report r = {
		.snapshot = &s,
		.escapes = opt->escapes ? &escapes : NULL,
		.by = (enum heap_by)opt->by,
		.top = opt->top,
		.style = style_of(output_is_stdout(opt->file) ? STDOUT_FILENO : -1, (enum style_when)opt->color),
	};
	if (!err)
		err = outputs_write(outs, render, &r);
	snapshot_deinit(&s);
	escapes_deinit(&escapes);
	return err;
}

static const struct heap_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	struct outputs outs = { 0 };
	struct err *err = show(values, operands, &outs, status);
	outputs_abandon(&outs);
	return err;
}

static const struct command_example examples[] = {
	{ "ullage heap 4711", "who allocated what is in use" },
	{ "ullage heap 4711 --pprof heap.pb.gz", "for `go tool pprof`, speedscope, Pyroscope" },
	{ "ullage heap 4711 --by type", "which types fill the heap, as far as can be told" },
	{ "ullage heap 4711 --by span", "what mcache, mcentral and unswept spans hold back" },
	{ "ullage heap http://localhost:6060/debug/pprof/heap", "the same of a program's own endpoint" },
	{ "go build -gcflags=-m ./... 2>m.txt; ullage heap 4711 --escapes m.txt",
	  "why the variables of each site are on the heap" },
	{ NULL, NULL },
};

const struct command command_heap = {
	.name = "heap",
	.purpose = "what the Go heap holds: allocation sites, types, size classes",
	.usage = "heap [OPTIONS] PID | FILE | URL\n"
		 "heap [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | --container ID",
	.about = "The profile that the runtime keeps by itself, read from outside: no endpoint is needed,\n"
		 "and the process is not stopped. It shows the same buckets with the same counts as\n"
		 "/debug/pprof/heap. Where profiling is off the heap is counted by size class, and by\n"
		 "type as far as allocation headers tell. A snapshot, a heap profile of another tool or a\n"
		 "heap dump (debug.WriteHeapDump) may stand in place of the process.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE, or root.",
	.run = run,
};
