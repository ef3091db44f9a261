/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/watch.h"

#include "cli/command.h"
#include "format/output.h"
#include "format/parts.h"
#include "screen/say.h"
#include "screen/table.h"
#include "surface/surface.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

struct watch_command {
	bool once, json, help;
	int color;
	const char *config, *listen, *data, *file, *procfs;
};

#define AT(member) offsetof(struct watch_command, member)

static const struct option_row options[] = {
	{ "config", 0, OPTION_STR, AT(config), "FILE", false, 0, NULL,
	  "what to watch and what to do (YAML); `ullage check-config` shows and checks it" },
	{ "listen", 0, OPTION_STR, AT(listen), "ADDR", false, 0, NULL,
	  "ADDRESS:PORT of this machine, or unix:PATH (default 127.0.0.1:9723)" },
	{ "data", 0, OPTION_STR, AT(data), "DIR", false, 0, NULL,
	  "where records are kept (default /var/lib/ullage for root, else below ~/.local/state)" },
	{ "once", 0, OPTION_FLAG, AT(once), NULL, false, 0, NULL, "look once, show what would be watched, and end" },
	OPTION_ROWS_JSON(watch_command),
	OPTION_ROWS_OUT(watch_command),
	OPTION_ROWS_HELP(watch_command),
	{ 0 },
};

/* ---- one look, shown ---- */

struct shown {
	const struct watch_command *opt;
	struct strbuf out;
};

static const struct table_column columns[] = {
	{ "PID", TABLE_RIGHT, 0 },  { "COMM", TABLE_LEFT, 16 },	      { "STATE", TABLE_LEFT, 0 },
	{ "RSS", TABLE_RIGHT, 0 },  { "CGROUP", TABLE_RIGHT, 0 },     { "LIMIT", TABLE_RIGHT, 0 },
	{ "USED", TABLE_RIGHT, 0 }, { "WHOSE LIMIT", TABLE_LEFT, 0 },
};

static void put_row(struct table *t, const struct watch_target *w)
{
	const struct watch_cgroup_sample *g = &w->cgroup;
	table_cellf(t, "%d", w->id.pid);
	table_cell(t, w->comm);
	table_cell(t, watch_states[w->state]);
	table_size(t, w->process.rss);
	table_size(t, g->working_set);
	table_size(t, g->limit);
	if (g->limit != WATCH_UNKNOWN && g->limit && g->working_set != WATCH_UNKNOWN)
		table_cellf(t, "%.0f%%", 100.0 * (double)g->working_set / (double)g->limit);
	else
		table_cell(t, "-");
	table_cell(t, w->limit_source ? w->limit_source : "-");
}

static void put_text(const struct watch_target *const *targets, size_t n, const char *notes, const struct style *style,
		     struct strbuf *out)
{
	struct say s = { out, style };
	struct table t;
	table_init(&t, columns, LEN(columns), style);
	for (size_t i = 0; i < n; i++)
		put_row(&t, targets[i]);
	if (n)
		table_print(&t, out);
	else
		say_line(&s, STYLE_PLAIN, 0, "No process here is one to be watched.");
	table_deinit(&t);
	for (size_t i = 0; i < n; i++) {
		if (targets[i]->state != WATCH_OK && targets[i]->reason[0])
			say_line(&s, STYLE_PLAIN, 0, "%s (pid %d): %s", targets[i]->comm, targets[i]->id.pid,
				 targets[i]->reason);
	}
	for (const char *line = notes; *line; line += strcspn(line, "\n"), line += *line == '\n')
		say_line(&s, STYLE_WARN, 0, "note: %.*s", (int)strcspn(line, "\n"), line);
}

static void show(void *arg, const struct watch_target *const *targets, size_t n, const char *notes)
{
	struct shown *s = arg;
	struct style style =
		style_of(output_is_stdout(s->opt->file) ? STDOUT_FILENO : -1, (enum style_when)s->opt->color);
	struct surface_self self = { .config_ok = true };
	struct surface_view view = {
		.wall_ns = parts_now(),
		.self = &self,
		.targets = targets,
		.n = n,
		.schema = "ullage.watch/1",
		.notes = notes,
	};
	if (s->opt->json)
		surface_targets(&view, &s->out);
	else
		put_text(targets, n, notes, &style, &s->out);
}

static struct err *look_once(const struct watch_command *opt, struct watch_options *watch)
{
	struct output out;
	TRY(output_open(&out, opt->file));
	struct shown shown = { .opt = opt };
	strbuf_init(&shown.out);
	watch->once = show;
	watch->arg = &shown;
	struct err *err = watch_run(watch);
	if (!err)
		err = output_commit(&out, shown.out.buf, shown.out.len);
	output_abandon(&out);
	strbuf_deinit(&shown.out);
	return err;
}

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	const struct watch_command *opt = values;
	struct watch_options watch = {
		.config_path = opt->config,
		.listen = opt->listen,
		.data = opt->data,
		.procfs = opt->procfs,
	};
	if (operands->n)
		return err_new(ERR_ARG, "`watch` takes no operand: whom to watch is said in the configuration");
	if (!opt->once && (opt->json || opt->file))
		return err_new(ERR_ARG, "%s shows one look: --once is needed with it",
			       opt->json ? "--json" : "--output");
	return opt->once ? look_once(opt, &watch) : watch_run(&watch);
}

static const struct watch_command defaults = { .procfs = "/proc" };

static const struct command_example examples[] = {
	{ "ullage watch", "watch every Go process, take no action" },
	{ "ullage watch --once", "what would be watched, and how near its limit it is" },
	{ "ullage watch --config /etc/ullage/ullage.yaml", "as the file says; SIGHUP reads it again" },
	{ "curl localhost:9723/api/v1/targets", "how they are now; /metrics is for Prometheus" },
	{ "ullage history api", "what became of it, also after its death" },
	{ NULL, NULL },
};

const struct command command_watch = {
	.name = "watch",
	.purpose = "a daemon: watch Go processes, foresee the OOM kill, keep the evidence",
	.usage = "watch [OPTIONS]",
	.about = "Looks at every Go process (or those that the configuration chooses) once a second, and\n"
		 "more often the nearer it is to its memory limit. Warns before the limit is reached, keeps\n"
		 "samples, events and a snapshot on disk before a kill, and shows all of it to Prometheus\n"
		 "and by HTTP. Without a configuration it takes no action. It runs in the foreground, for\n"
		 "systemd or a container to keep; SIGHUP reads the configuration again, SIGTERM ends it.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Processes of other users need CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, or root. Without\n"
		 "these it watches what it may, by the kernel's figures alone.",
	.run = run,
};
