/* SPDX-License-Identifier: Apache-2.0 */
#include <unistd.h>

#include "cli/command.h"
#include "cli/lacks.h"
#include "format/output.h"
#include "operand/input.h"
#include "report/goroutines.h"

struct goroutines_options {
	struct target_name target;
	bool json, stacks, system, help;
	int color, group;
	uint64_t top;
	const char *file, *procfs, *exe, *source;
};

#define AT(member) offsetof(struct goroutines_options, member)

static const struct option_row options[] = {
	OPTION_ROWS_JSON(goroutines_options),
	{ "group", 0, OPTION_CHOICE, AT(group), "BY", false, 0, goroutine_by_names,
	  "together: site (who started them and where they are blocked; the default), state, stack, or none" },
	{ "stacks", 0, OPTION_FLAG, AT(stacks), NULL, false, 0, NULL, "the stack of every group that is shown" },
	{ "source", 0, OPTION_STR, AT(source), "DIR", false, 0, NULL,
	  "read the Go source below DIR where goroutines are blocked and started, and say what it lacks" },
	{ "top", 0, OPTION_COUNT, AT(top), "N", false, 0, NULL, "show N groups (default 20 in text, all in JSON)" },
	{ "system", 0, OPTION_FLAG, AT(system), NULL, false, 0, NULL, "the runtime's own goroutines too" },
	OPTION_ROWS_CORE(goroutines_options),
	OPTION_ROWS_OUT(goroutines_options),
	OPTION_ROWS_TARGET(goroutines_options),
	OPTION_ROWS_HELP(goroutines_options),
	{ 0 },
};

/* What was read: one input as it is, or several together. */
struct sources {
	struct snapshot one; /* the last one read; zeroes before */
	struct goroutines all;
	struct arena arena;
	struct goroutines_report report;
	struct source *source; /* the program's, or NULL */
};

/* What the flags of the goroutines of one input mean for the whole. */
static void add_notes(struct sources *src, const struct goroutines *gs, const char *name)
{
	uint64_t cut = 0;
	const struct goroutine *end = NULL;
	for (size_t i = 0; i < gs->v.n; i++) {
		cut += (gs->v.v[i].flags & GOROUTINE_CUT) != 0;
		end = gs->v.v[i].flags & GOROUTINE_END ? &gs->v.v[i] : end;
	}
	if (end)
		*vec_push(&src->report.notes) =
			arena_printf(&src->arena,
				     "%s seems to be cut: what follows its last goroutine%s%s is missing, so the "
				     "counts are too small",
				     name, end->id ? " " : "",
				     end->id ? arena_printf(&src->arena, "%llu", (unsigned long long)end->id) : "");
	if (cut)
		*vec_push(&src->report.notes) =
			arena_printf(&src->arena, "%s has %llu stack%s that %s not complete", name,
				     (unsigned long long)cut, cut == 1 ? "" : "s", cut == 1 ? "is" : "are");
	if (gs->total == 1 && gs->v.n && gs->v.v[0].flags & GOROUTINE_PANIC)
		*vec_push(&src->report.notes) = arena_printf(
			&src->arena, "%s has the goroutine that panicked only; GOTRACEBACK=all prints them all", name);
}

static void keep_texts(struct sources *src, const struct snapshot *s, const char *operand)
{
	*vec_push(&src->report.inputs) = arena_strdup(&src->arena, s->source ? s->source : operand);
	for (size_t i = 0; i < s->notes.n; i++)
		*vec_push(&src->report.notes) = arena_strdup(&src->arena, s->notes.v[i]);
	add_notes(src, &s->goroutines, src->report.inputs.v[src->report.inputs.n - 1]);
}

/* Several inputs, one after the other, into one list. */
static struct err *read_several(const struct arg_vec *operands, const struct evidence_options *want,
				struct sources *src, int *status)
{
	for (size_t i = 0; i < operands->n; i++) {
		snapshot_deinit(&src->one);
		TRY(input_operand(operands->v[i], want, &src->one, status));
		goroutines_append(&src->all, &src->one.goroutines, (uint32_t)i);
		keep_texts(src, &src->one, operands->v[i]);
	}
	src->report.goroutines = &src->all;
	return NULL;
}

static struct err *read_sources(const struct goroutines_options *opt, const struct arg_vec *operands,
				struct sources *src, int *status)
{
	struct evidence_options want = {
		.parts = SNAPSHOT_GOROUTINES | SNAPSHOT_FDS,
		.required = SNAPSHOT_GOROUTINES,
		.account = { .procfs = opt->procfs, .exe = opt->exe },
	};
	if (operands->n > 1)
		return read_several(operands, &want, src, status);
	TRY(input_one(operands, &opt->target, &want, &src->one, status));
	keep_texts(src, &src->one, operands->n ? operands->v[0] : "");
	src->report.goroutines = &src->one.goroutines;
	src->report.time = src->one.clock.wall;
	return NULL;
}

/* What the source lacks joins what is suspicious. */
static void look_into_source(struct sources *src, const struct goroutine_groups *sites, struct suspicions *suspicions)
{
	if (src->source && !lacks_add(src->source, sites, suspicions))
		*vec_push(&src->report.notes) =
			"the source has none of the places where these goroutines are blocked or were started, or has "
			"them in another version";
}

static void render(const struct goroutines_options *opt, struct sources *src, struct strbuf *text)
{
	struct goroutines_report *r = &src->report;
	struct goroutine_groups sites, groups = { 0 };
	struct suspicions suspicions;
	goroutine_groups_make(r->goroutines, GOROUTINE_BY_SITE, opt->system, &sites);
	suspicions_find(r->goroutines, &sites, &suspicions);
	look_into_source(src, &sites, &suspicions);
	if (r->by != GOROUTINE_BY_SITE)
		goroutine_groups_make(r->goroutines, r->by, opt->system, &groups);
	r->sites = &sites;
	r->groups = r->by == GOROUTINE_BY_SITE ? &sites : &groups;
	r->suspicions = &suspicions;
	if (opt->json)
		goroutines_json(r, text);
	else
		goroutines_text(r, text);
	suspicions_deinit(&suspicions);
	goroutine_groups_deinit(&sites);
	if (r->by != GOROUTINE_BY_SITE)
		goroutine_groups_deinit(&groups);
	r->sites = r->groups = NULL;
	r->suspicions = NULL;
}

static struct err *show(const struct goroutines_options *opt, struct sources *src, struct output *out)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	render(opt, src, &text);
	return output_commit(out, text.buf, text.len);
}

static struct err *list(const struct goroutines_options *opt, const struct arg_vec *operands, int *status)
{
	struct output out;
	struct sources src = { 0 };
	TRY(output_open(&out, opt->file));
	goroutines_init(&src.all);
	arena_init(&src.arena);
	src.report.by = (enum goroutine_group_by)opt->group;
	src.report.top = opt->top;
	src.report.stacks = opt->stacks || opt->group == GOROUTINE_BY_STACK;
	src.report.style = style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color);
	struct err *err = opt->source ? source_open(opt->source, &src.source) : NULL;
	if (!err)
		err = read_sources(opt, operands, &src, status);
	if (!err)
		err = show(opt, &src, &out);
	output_abandon(&out);
	source_close(src.source);
	vec_deinit(&src.report.inputs);
	vec_deinit(&src.report.notes);
	arena_deinit(&src.arena);
	goroutines_deinit(&src.all);
	snapshot_deinit(&src.one);
	return err;
}

static const struct goroutines_options defaults = { .procfs = "/proc" };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return list(values, operands, status);
}

static const struct command_example examples[] = {
	{ "ullage goroutines 4711", "who waits where, most first" },
	{ "ullage goroutines panic.log", "the same of a dump: a panic, SIGQUIT, debug=1, debug=2" },
	{ "ullage goroutines a.txt b.txt", "two dumps side by side" },
	{ "ullage goroutines 4711 --group stack", "with whole stacks" },
	{ "ullage goroutines 4711 --source .", "and what the code there lacks, as the program's source tells" },
	{ "ullage goroutines 4711 --group none --json | jq '.groups[].id'", "each one, for programs" },
	{ NULL, NULL },
};

const struct command command_goroutines = {
	.name = "goroutines",
	.purpose = "goroutines by where they wait and who started them",
	.usage = "goroutines [OPTIONS] PID | FILE...\n"
		 "goroutines [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | --container ID",
	.about = "From a running process, which is not stopped, or from what Go printed: a goroutine\n"
		 "profile (debug=1, debug=2 or protobuf), a panic, an answer to SIGQUIT, a heap dump, a\n"
		 "snapshot.\n"
		 "WAITS is the median wait, a lower bound: a live process knows it since the garbage\n"
		 "collector first saw the goroutine waiting, a dump in whole minutes.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE, or root.",
	.run = run,
};
