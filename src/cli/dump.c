/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"
#include "cli/command.h"
#include "codec/pack.h"
#include "engine/dump.h"
#include "format/output.h"
#include "operand/input.h"
#include "operand/progress.h"
#include "operand/status.h"
#include "screen/say.h"

enum { MS = 1000000 };

struct dump_cli {
	struct target_name target;
	bool structure_only, files, zstd, help;
	const char *file, *procfs, *stop;
};

#define AT(member) offsetof(struct dump_cli, member)

static const struct option_row options[] = {
	{ "output", 'o', OPTION_STR, AT(file), "FILE", false, 0, NULL,
	  "the core to make, which appears whole or not at all (- is standard output); needed" },
	{ "structure-only", 0, OPTION_FLAG, AT(structure_only), NULL, false, 0, NULL,
	  "leave out what the objects hold and keep what connects them: strings, numbers and buffers are blank" },
	{ "files", 0, OPTION_FLAG, AT(files), NULL, false, 0, NULL,
	  "also what is in the program's file and its libraries: the core can then be read where these are not" },
	{ "zstd", 0, OPTION_FLAG, AT(zstd), NULL, false, 0, NULL,
	  "compress it; so does a FILE that ends in .zst. Commands here read it; debuggers want it unpacked" },
	{ "stop", 0, OPTION_STR, AT(stop), "MS", true, 0, NULL,
	  "stop the process for the registers, and for contents as far as MS last (default 20), what is not heap "
	  "first; "
	  "full: until all is copied, so that all is of one moment" },
	{ "procfs", 0, OPTION_STR, AT(procfs), "DIR", false, 0, NULL, "where proc is mounted (default /proc)" },
	OPTION_ROWS_TARGET(dump_cli),
	OPTION_ROWS_HELP(dump_cli),
	{ 0 },
};

/* ---- where it goes ---- */

struct sink {
	int fd;
	const char *name;
	bool anywhere; /* a regular file: what is passed over is a hole */
	bool packed;
	struct pack pack;
	uint64_t at; /* of the next byte, where it is in order */
};

static struct err *write_at(const struct sink *s, uint64_t at, const char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = pwrite(s->fd, data + done, len - done, (off_t)(at + done));
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(ERR_WRITE, "writing %s: %s", s->name, strerrordesc_np(errno));
		done += (size_t)n;
	}
	return NULL;
}

static struct err *put(struct sink *s, const void *data, size_t len)
{
	s->at += len;
	return s->packed ? pack_add(&s->pack, data, len) : output_write(s->fd, s->name, data, len);
}

static struct err *pass_over(struct sink *s, uint64_t to)
{
	static const char zeros[64 << 10];
	while (s->at < to)
		TRY(put(s, zeros, (size_t)num_min(sizeof(zeros), to - s->at)));
	return NULL;
}

static struct err *sink_write(void *ctx, uint64_t at, const void *data, size_t len)
{
	struct sink *s = ctx;
	if (s->anywhere)
		return write_at(s, at, data, len);
	TRY(pass_over(s, at));
	return put(s, data, len);
}

static struct err *sink_open(struct sink *s, const struct output *out, bool packed)
{
	struct stat st;
	*s = (struct sink){ .fd = out->fd, .name = out->path ? out->path : "standard output", .packed = packed };
	s->anywhere = !packed && out->path && fstat(out->fd, &st) == 0 && S_ISREG(st.st_mode);
	return packed ? pack_open(s->fd, s->name, &s->pack) : NULL;
}

/* To its full length. */
static struct err *sink_finish(struct sink *s, uint64_t size)
{
	if (s->anywhere)
		return ftruncate(s->fd, (off_t)size) == 0
			       ? NULL
			       : err_new(ERR_WRITE, "writing %s: %s", s->name, strerrordesc_np(errno));
	TRY(pass_over(s, size));
	return s->packed ? pack_finish(&s->pack) : NULL;
}

static void sink_close(struct sink *s)
{
	if (s->packed)
		pack_close(&s->pack);
}

/* ---- the command ---- */

static bool to_stdout(const struct dump_cli *opt)
{
	return strcmp(opt->file, "-") == 0;
}

static bool ends_with(const char *s, const char *end)
{
	size_t n = strlen(s), m = strlen(end);
	return n >= m && strcmp(s + n - m, end) == 0;
}

static struct err *check_options(const struct dump_cli *opt, const struct arg_vec *operands)
{
	if (!opt->file)
		return err_new(ERR_ARG, "-o FILE is needed: the core is written there");
	if (to_stdout(opt) && isatty(STDOUT_FILENO))
		return err_new(ERR_ARG, "a core is not for a terminal: give -o FILE, or a pipe");
	if (operands->n == 1 && input_is_file(operands->v[0]))
		return err_new(ERR_ARG, "'%s' is no process id: a core is made of a running process", operands->v[0]);
	return NULL;
}

static void add_figure(const char *label, uint64_t bytes, const char *what, struct strbuf *out)
{
	char x[SAY_NUM_LEN];
	if (bytes)
		strbuf_printf(out, "%s%s %s", out->len ? "; " : label, say_size(bytes, x), what);
}

/* "saved 15.3 MiB of contents to FILE (61 MiB with holes), stopped for 12.1 ms" and what is not as one might think. */
static void tell(const struct dump_cli *opt, const struct dump *d)
{
	char x[SAY_NUM_LEN], y[SAY_NUM_LEN];
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	strbuf_printf(&line, "saved %s of contents to %s (%s with holes) in %.0f ms, ",
		      say_size(num_sub(d->contents, d->blank), x), to_stdout(opt) ? "standard output" : opt->file,
		      say_size(d->size, y), (double)d->elapsed_ns / MS);
	if (d->stopped_ns)
		strbuf_printf(&line, "stopped for %.1f ms with %s copied", (double)d->stopped_ns / MS,
			      say_size(d->held, x));
	else
		strbuf_puts(&line, "never stopped");
	status_say("dump", line.buf);
	strbuf_clear(&line);
	if (opt->structure_only) {
		add_figure("structure only: ", d->kept, "of runtime metadata and globals as they are", &line);
		add_figure("", d->pointers, "of objects and stacks with nothing but their pointers", &line);
		add_figure("", d->blank, "blank", &line);
		status_say("dump", line.buf);
		strbuf_clear(&line);
	}
	add_figure("not in it: ", d->in_files, "of pages that files have", &line);
	add_figure("not in it: ", d->swapped, "in swap", &line);
	add_figure("not in it: ", d->unread, "that went away meanwhile", &line);
	status_say("dump", line.buf);
	for (size_t i = 0; i < d->notes.n; i++)
		status_say("dump", d->notes.v[i]);
}

static struct err *dump_into(const struct dump_cli *opt, const struct stop_choice *stop, int pid, struct sink *sink,
			     struct dump *ret)
{
	static const enum dump_stop stops[] = {
		[STOP_NO] = DUMP_STOP_NO,
		[STOP_BRIEFLY] = DUMP_STOP_META,
		[STOP_FULL] = DUMP_STOP_FULL,
	};
	const struct dump_options how = {
		.stop = stops[stop->kind],
		.stop_budget_ns = stop->budget_ns,
		.structure_only = opt->structure_only,
		.files = opt->files,
		.procfs = opt->procfs,
		.interrupted = &progress_interrupted,
		.progress = progress_step,
	};
	progress_start();
	struct err *err = engine_dump(pid, &how, sink_write, sink, ret);
	if (!err && !ret->interrupted)
		err = sink_finish(sink, ret->size);
	progress_end();
	return err;
}

/* Of a dump that is interrupted nothing is left. */
static struct err *dump_one(const struct dump_cli *opt, const struct stop_choice *stop, int pid, struct output *out,
			    int *status)
{
	struct sink sink;
	struct dump d = { 0 };
	struct err *err = sink_open(&sink, out, opt->zstd || ends_with(opt->file, ".zst"));
	if (!err)
		err = dump_into(opt, stop, pid, &sink, &d);
	sink_close(&sink);
	if (!err && d.interrupted)
		*status = STATUS_INTERRUPTED;
	else if (!err)
		err = output_commit(out, "", 0);
	if (!err && !d.interrupted)
		tell(opt, &d);
	dump_deinit(&d);
	return err;
}

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	const struct dump_cli *opt = values;
	struct output out;
	struct stop_choice stop;
	int pid = 0;
	TRY(check_options(opt, operands));
	TRY(stop_parse(opt->stop, &stop));
	TRY(target_one(opt->procfs, operands, &opt->target, &pid));
	TRY(output_open(&out, opt->file));
	out.large = true;
	struct err *err = dump_one(opt, &stop, pid, &out, status);
	output_abandon(&out);
	return err;
}

static const struct dump_cli defaults = { .procfs = "/proc", .stop = stop_not_given };

static const struct command_example examples[] = {
	{ "ullage dump 4711 -o api.core", "what process 4711 has in memory, without stopping it" },
	{ "ullage owners api.core", "any reading command takes it in place of a process id" },
	{ "ullage dump 4711 -o api.core --stop=full", "all of one moment; says for how long it stood still" },
	{ "ullage dump 4711 -o api.core.zst --structure-only", "what connects the objects, without what they hold" },
	{ "dlv core /usr/bin/api api.core", "in a debugger; gdb and viewcore open it as well" },
	{ NULL, NULL },
};

const struct command command_dump = {
	.name = "dump",
	.purpose = "save the memory of a process as an ELF core",
	.usage = "dump [OPTIONS] PID -o FILE\ndump [OPTIONS] --name COMM | --cgroup PATH | --unit NAME | "
		 "--container ID -o FILE",
	.about = "Writes what is resident as an ELF core that delve, gdb, viewcore and every reading\n"
		 "command here open. Absent pages are holes, clean pages of files are left to the files,\n"
		 "pages in swap stay there; the process is not stopped unless --stop asks for it. A core\n"
		 "holds what the program had in memory, secrets too: with --structure-only there remain\n"
		 "runtime metadata, globals, and of objects and stacks their pointers.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.needs = "Your own processes need nothing. Those of other users need CAP_SYS_PTRACE and\n"
		 "CAP_DAC_READ_SEARCH, or root; `ullage doctor PID` says what is missing.",
	.run = run,
};
