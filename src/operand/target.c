/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/target.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/num.h"

enum { LISTED = 20 };

static struct err *not_a_pid(const char *s)
{
	struct stat st;
	bool address = strncmp(s, "http://", 7) == 0 || strncmp(s, "https://", 8) == 0;
	if (address || strchr(s, '/') || stat(s, &st) == 0)
		return err_new(ERR_ARG,
			       "'%s' is %s; what is meant here is a running process: its process id, or --name, "
			       "--cgroup, --unit, --container",
			       s, address ? "an address" : "a file");
	return err_new(ERR_ARG, "'%s' is not a process id; a process is found by its name with --name %s", s, s);
}

static struct err *parse_pid(const char *s, int *ret)
{
	uint64_t v = 0;
	size_t digits = strspn(s, "0123456789");
	if (!digits || s[digits])
		return not_a_pid(s);
	if (!num_str(s, &v) || v < 1 || v > INT_MAX)
		return err_new(ERR_ARG, "'%s' is not a process id: those go from 1 to %d", s, INT_MAX);
	*ret = (int)v;
	return NULL;
}

static size_t names_given(const struct target_name *name)
{
	return (size_t) !!name->comm + !!name->cgroup + !!name->unit + !!name->container;
}

bool target_given(const struct arg_vec *operands, const struct target_name *name)
{
	return operands->n || names_given(name);
}

/* The name of a process, for a list of candidates: "?" when it is gone meanwhile. */
static void put_comm(struct strbuf *out, const char *procfs, int pid)
{
	char comm[64];
	AUTO_FREE char *path = xasprintf("%s/%d/comm", procfs, pid);
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, comm, sizeof(comm) - 1);
	if (n > 0 && comm[n - 1] == '\n')
		n--;
	if (n > 0)
		strbuf_add(out, comm, (size_t)n);
	else
		strbuf_putc(out, '?');
}

static struct err *several(const char *procfs, const struct pid_vec *pids)
{
	AUTO(strbuf) struct strbuf list;
	strbuf_init(&list);
	for (size_t i = 0; i < pids->n && i < LISTED; i++) {
		strbuf_printf(&list, "%s%d (", i ? ", " : "", pids->v[i]);
		put_comm(&list, procfs, pids->v[i]);
		strbuf_putc(&list, ')');
	}
	if (pids->n > LISTED)
		strbuf_printf(&list, " and %zu more", pids->n - LISTED);
	return err_new(ERR_ARG, "%zu processes match; give the process id of one: %s", pids->n, list.buf);
}

struct err *target_one(const char *procfs, const struct arg_vec *operands, const struct target_name *name, int *ret)
{
	size_t given = operands->n + names_given(name);
	if (!given)
		return err_new(ERR_ARG, "no target: give a process id, or --name, --cgroup, --unit or "
					"--container; `ullage ps` lists the Go processes");
	if (given > 1)
		return err_new(ERR_ARG, "%zu targets are named where one is meant", given);
	struct target_name one = *name;
	if (operands->n)
		TRY(parse_pid(operands->v[0], &one.pid));
	struct pid_vec pids = { 0 };
	struct err *err = engine_target_find(procfs, &one, &pids);
	if (!err && !pids.n)
		err = err_new(ERR_NOT_FOUND, "no process matches");
	if (!err && pids.n > 1)
		err = several(procfs, &pids);
	if (!err)
		*ret = pids.v[0];
	vec_deinit(&pids);
	return err;
}

/* ---- --stop ---- */

enum { STOP_MS = 20, STOP_MS_MAX = 60000, STOP_FULL_MS = 60000, NS_PER_MS = 1000000 };

const char stop_not_given[] = "no";

struct err *stop_parse(const char *text, struct stop_choice *ret)
{
	uint64_t ms = STOP_MS;
	*ret = (struct stop_choice){ 0 };
	if (text == stop_not_given)
		return NULL;
	if (text && strcmp(text, "full") == 0) {
		*ret = (struct stop_choice){ STOP_FULL, (int64_t)STOP_FULL_MS * NS_PER_MS };
		return NULL;
	}
	if (text && (!num_str(text, &ms) || ms < 1 || ms > STOP_MS_MAX))
		return err_new(ERR_ARG, "--stop takes milliseconds from 1 to %d, or full, not '%s'", STOP_MS_MAX, text);
	*ret = (struct stop_choice){ STOP_BRIEFLY, (int64_t)ms * NS_PER_MS };
	return NULL;
}
