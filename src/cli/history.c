/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "format/output.h"
#include "format/parts.h"
#include "history/moment.h"
#include "history/report.h"

struct history_command {
	bool json, help;
	int color;
	const char *data, *since, *until, *at, *compare, *file;
};

static const struct option_row options[] = {
	{ "data", 0, OPTION_STR, offsetof(struct history_command, data), "DIR", false, 0, NULL,
	  "the data directory of `ullage watch` (default: the same as there)" },
	{ "since", 0, OPTION_STR, offsetof(struct history_command, since), "TIME", false, 0, NULL,
	  "looks from here on, and only processes that lived then; 03:12, -2h, 2025-11-26T03:12:04Z" },
	{ "until", 0, OPTION_STR, offsetof(struct history_command, until), "TIME", false, 0, NULL, "looks until here" },
	{ "at", 0, OPTION_STR, offsetof(struct history_command, at), "TIME", false, 0, NULL,
	  "of several processes that match, the one that lived or ended then" },
	{ "compare", 0, OPTION_STR, offsetof(struct history_command, compare), "A..B,C..D", false, 0, NULL,
	  "growth, Rss, OOM kills and pauses in two spans of time, by build" },
	OPTION_ROWS_JSON(history_command),
	{ "output", 'o', OPTION_STR, offsetof(struct history_command, file), "FILE", false, 0, NULL,
	  "write to FILE, which appears whole or not at all (- is standard output)" },
	{ "color", 0, OPTION_CHOICE, offsetof(struct history_command, color), "WHEN", true, 1, option_when,
	  "auto, always or never; auto is a terminal without NO_COLOR" },
	OPTION_ROWS_HELP(history_command),
	{ 0 },
};

static struct err *write_out(const struct history_command *opt, const struct strbuf *text)
{
	struct output out;
	TRY(output_open(&out, opt->file));
	struct err *err = output_commit(&out, text->buf, text->len);
	output_abandon(&out);
	return err;
}

static struct style style_for(const struct history_command *opt)
{
	return style_of(opt->file ? -1 : STDOUT_FILENO, (enum style_when)opt->color);
}

static struct err *compare(const struct history_command *opt, const char *directory, const char *any,
			   struct strbuf *text)
{
	struct compare_options spans = { .directory = directory, .any = any };
	struct compare c;
	int64_t now = parts_now();
	const char *comma = strchr(opt->compare, ',');
	if (!any || !comma)
		return err_new(ERR_ARG, "--compare takes a TARGET and two spans, for example -26h..-25h,-1h..now");
	AUTO_FREE char *first = xstrndup(opt->compare, (size_t)(comma - opt->compare));
	TRY(moment_span(first, now, &spans.from_ns[0], &spans.to_ns[0]));
	TRY(moment_span(comma + 1, now, &spans.from_ns[1], &spans.to_ns[1]));
	struct err *err = compare_read(&spans, &c);
	struct style style = style_for(opt);
	if (!err && opt->json)
		compare_json(&c, text);
	else if (!err)
		compare_text(&c, &style, text);
	compare_deinit(&c);
	return err;
}

static struct err *one(const struct history_command *opt, const char *directory, const char *any, struct strbuf *text)
{
	struct history_options what = { .directory = directory, .any = any, .now_ns = parts_now() };
	struct history h;
	if (opt->since)
		TRY(moment_parse(opt->since, what.now_ns, &what.since_ns));
	if (opt->until)
		TRY(moment_parse(opt->until, what.now_ns, &what.until_ns));
	if (opt->at)
		TRY(moment_parse(opt->at, what.now_ns, &what.at_ns));
	if (what.since_ns && what.until_ns && what.until_ns <= what.since_ns)
		return err_new(ERR_ARG, "--until is not after --since");
	struct err *err = history_read(&what, &h);
	struct style style = style_for(opt);
	if (!err && opt->json)
		history_json(&h, text);
	else if (!err)
		history_text(&h, &style, text);
	history_deinit(&h);
	return err;
}

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	const struct history_command *opt = values;
	if (operands->n > 1)
		return err_new(ERR_ARG, "one TARGET at a time, not %zu", operands->n);
	const char *any = operands->n ? operands->v[0] : NULL;
	AUTO_FREE char *directory = opt->data ? xstrdup(opt->data) : store_default_directory();
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	TRY(opt->compare ? compare(opt, directory, any, &text) : one(opt, directory, any, &text));
	return write_out(opt, &text);
}

static const struct history_command defaults = { 0 };

static const struct command_example examples[] = {
	{ "ullage history", "what is known: who was there, and how it ended" },
	{ "ullage history api", "how the last one of this name ended, and what was seen before" },
	{ "ullage history /system.slice/api.service --at 03:12", "the one that died then" },
	{ "ullage history api --compare -26h..-25h,-1h..now", "before and after a change, by build" },
	{ NULL, NULL },
};

const struct command command_history = {
	.name = "history",
	.purpose = "why it died: what `ullage watch` saw of a process, also after its end",
	.usage = "history [OPTIONS]\n"
		 "history [OPTIONS] TARGET\n"
		 "history [OPTIONS] TARGET --compare A..B,C..D",
	.about = "Reads the black box that `ullage watch` keeps, beside a running daemon or without\n"
		 "one, and changes nothing in it. TARGET is the id that the daemon gives (PID-START),\n"
		 "a process id, a name, a systemd unit, a container or a cgroup. Where several match,\n"
		 "the answer is about the newest that has ended, and the others are listed. Without\n"
		 "TARGET all are. Times are UTC.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "The data directory is private: read it as the daemon's user, or as root.",
	.run = run,
};
