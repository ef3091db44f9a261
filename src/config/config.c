/* SPDX-License-Identifier: Apache-2.0 */
#include "config/config.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>

#include "base/cleanup.h"
#include "config/check.h"
#include "config/fill.h"

enum { PIPE_WAIT_MS = 5000 };

/* A pipe that nobody writes to must not hold up the daemon that it is named to. */
static struct err *await(int fd, const char *path)
{
	struct pollfd p = { .fd = fd, .events = POLLIN };
	if (poll(&p, 1, PIPE_WAIT_MS) > 0)
		return NULL;
	return err_new(ERR_FORMAT, "%s: nobody writes to it", path);
}

struct err *config_text(const char *path, struct strbuf *text)
{
	char buf[16384];
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	struct stat st;
	if (fd < 0 && errno == ENOENT)
		return err_new(ERR_NOT_FOUND, "there is no file %s", path);
	if (fd < 0)
		return err_os(errno, "opening %s", path);
	if (fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
		return err_new(ERR_FORMAT, "%s is a directory", path);
	for (;;) {
		TRY(await(fd, path));
		ssize_t n = read(fd, buf, sizeof(buf));
		if (n < 0)
			return err_os(errno, "reading %s", path);
		if (!n)
			return NULL;
		strbuf_add(text, buf, (size_t)n);
		if (text->len > CONFIG_BYTES)
			return err_new(ERR_LIMIT, "%s is larger than 1 MiB", path);
	}
}

static void read_tree(const char *text, size_t len, struct config *c, struct config_problems *problems)
{
	struct arena arena;
	struct yaml_fault fault;
	arena_init(&arena);
	const struct yaml *root = yaml_read(text, len, &arena, &fault);
	if (root) {
		fill(root, c, problems);
		check(root, c, problems);
	} else {
		struct yaml at = { .line = fault.line, .column = fault.column };
		problems_add(problems, &at, false, "", fault.text);
	}
	arena_deinit(&arena);
}

bool config_check(const char *name, const char *text, size_t len, struct config_problems *problems, struct config *ret)
{
	config_defaults(ret);
	ret->file = arena_strdup(&ret->arena, name);
	read_tree(text, len, ret, problems);
	problems_sort(problems);
	if (!problems_refuse(problems))
		return true;
	config_deinit(ret);
	return false;
}

static void put_problems(const char *path, const struct config_problems *p, bool warnings, struct strbuf *out)
{
	for (size_t i = 0; i < p->v.n; i++) {
		const struct config_problem *row = &p->v.v[i];
		if (row->warning == warnings)
			strbuf_printf(out, "%s%s:%u:%u: %s%s%s", out->len ? "\n" : "", path, row->line, row->column,
				      row->key, row->key[0] ? ": " : "", row->text);
	}
	if (p->more && !warnings)
		strbuf_printf(out, "\nand %zu more", p->more);
}

struct err *config_read(const char *path, struct strbuf *warnings, struct config *ret)
{
	struct config_problems problems;
	AUTO(strbuf) struct strbuf text, wrong;
	strbuf_init(&text);
	strbuf_init(&wrong);
	TRY(config_text(path, &text));
	config_problems_init(&problems);
	bool good = config_check(path, text.buf, text.len, &problems, ret);
	put_problems(path, &problems, false, &wrong);
	if (warnings)
		put_problems(path, &problems, true, warnings);
	config_problems_deinit(&problems);
	return good ? NULL : err_new(ERR_FORMAT, "%s", wrong.buf);
}
