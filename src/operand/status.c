/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/status.h"

#include <langinfo.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "format/output.h"
#include "screen/clean.h"

static const int statuses[ERR_MAX_] = {
	[ERR_NOMEM] = STATUS_INTERNAL, [ERR_OS] = STATUS_INTERNAL,
	[ERR_FAULT] = STATUS_FORMAT,   [ERR_GONE] = STATUS_GONE,
	[ERR_DENIED] = STATUS_DENIED,  [ERR_FORMAT] = STATUS_FORMAT,
	[ERR_NOT_FOUND] = STATUS_GONE, [ERR_UNSUPPORTED] = STATUS_UNSUPPORTED,
	[ERR_LIMIT] = STATUS_FORMAT,   [ERR_ARG] = STATUS_USAGE,
	[ERR_WRITE] = STATUS_WRITE,    [ERR_INTERNAL] = STATUS_INTERNAL,
};

static const struct {
	int status;
	const char *about;
} words[] = {
	{ STATUS_OK, "done" },
	{ STATUS_BAD, "done, and what was asked to be judged is bad: a leak, or growth over --fail-on" },
	{ STATUS_USAGE, "wrong usage, or several processes match" },
	{ STATUS_GONE, "target gone or not found" },
	{ STATUS_DENIED, "permission missing; the message names it" },
	{ STATUS_UNSUPPORTED, "not supported here; the message says what still works" },
	{ STATUS_FORMAT, "what was read is malformed" },
	{ STATUS_WRITE, "the output could not be written" },
	{ STATUS_INTERNAL, "internal error" },
	{ STATUS_INTERRUPTED, "interrupted; what was complete has been printed" },
};

int status_of(enum err_code code)
{
	return code < ERR_MAX_ ? statuses[code] : STATUS_INTERNAL;
}

void status_help(struct strbuf *out)
{
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
		strbuf_printf(out, "  %3d  %s\n", words[i].status, words[i].about);
}

void status_say(const char *what, const char *sentence)
{
	if (!*sentence)
		return;
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	strbuf_printf(&line, "ullage%s%s: ", what ? " " : "", what ? what : "");
	clean_add(&line, sentence, strcmp(nl_langinfo(CODESET), "UTF-8") == 0);
	strbuf_putc(&line, '\n');
	err_free(output_write(STDERR_FILENO, "standard error", line.buf, line.len));
}

void status_hint(const char *what)
{
	AUTO(strbuf) struct strbuf line;
	strbuf_init(&line);
	strbuf_printf(&line, "See `ullage %s --help`.\n", what);
	err_free(output_write(STDERR_FILENO, "standard error", line.buf, line.len));
}
