/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "format/output.h"
#include "operand/status.h"

static struct err *version(void)
{
	static const char text[] = "ullage " ULLAGE_VERSION "\n";
	struct output out;
	TRY(output_open(&out, NULL));
	return output_commit(&out, text, sizeof(text) - 1);
}

/* A closed standard descriptor must not become some file that we open: reads and writes of it fail instead. */
static void guard_descriptors(void)
{
	for (int fd = 0; fd <= 2; fd++) {
		if (fcntl(fd, F_GETFD) < 0)
			(void)!open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY);
	}
}

static int no_command(void)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	command_help_text(NULL, &text);
	err_free(output_write(STDERR_FILENO, "standard error", text.buf, text.len));
	return STATUS_USAGE;
}

static bool is_option(const char *arg, const char *name, const char *letter)
{
	return strcmp(arg, name) == 0 || strcmp(arg, letter) == 0;
}

static struct err *dispatch(int argc, char **argv, const struct command **c, int *status)
{
	if (is_option(argv[1], "--version", "-V"))
		return version();
	if (is_option(argv[1], "--help", "-h"))
		return command_print_help(NULL);
	TRY(command_find(argv[1], c));
	return command_run(*c, argc - 1, argv + 1, status);
}

static int fail(const struct err *err, const struct command *c, int status)
{
	status_say(c ? c->name : NULL, err_text(err));
	if (err_code(err) == ERR_ARG && c)
		status_hint(c->name);
	return status == STATUS_INTERRUPTED ? status : status_of(err_code(err));
}

int main(int argc, char **argv)
{
	const struct command *c = NULL;
	int status = STATUS_OK;
	guard_descriptors();
	setlocale(LC_CTYPE, "");
	signal(SIGPIPE, SIG_IGN);
	if (argc < 2)
		return no_command();
	AUTO(err) struct err *err = dispatch(argc, argv, &c, &status);
	return err ? fail(err, c, status) : status;
}
