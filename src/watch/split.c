/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/split.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "act/act.h"
#include "base/cleanup.h"
#include "proc/opener.h"
#include "sandbox/child.h"
#include "sandbox/filter.h"
#include "sandbox/power.h"

enum { OPENER_POWERS = POWER_PTRACE | POWER_DAC_READ_SEARCH };

/* Without a filter one may go on. */
static struct err *filter(unsigned roles)
{
	struct err *err = filter_apply(roles);
	if (!err || err_code(err) != ERR_UNSUPPORTED)
		return err;
	err_free(err);
	return NULL;
}

static int serve(int fd, void *procfs)
{
	struct err *err AUTO(err) = power_keep(OPENER_POWERS);
	if (!err)
		err = filter(FILTER_OPEN);
	child_settle();
	return err ? 1 : proc_opener_serve(fd, procfs);
}

struct err *split_open(struct split *s, const char *procfs)
{
	*s = SPLIT_NONE;
	if (strlen(procfs) + sizeof("opener:2147483647:") > sizeof(s->procfs))
		return err_new(ERR_ARG, "the path of procfs is too long");
	snprintf(s->procfs, sizeof(s->procfs), "%s", procfs);
	const struct spawner_part parts[SPLIT_PARTS] = {
		[SPLIT_OPENER] = { "ullage-open", CHILD_MESSAGES, serve, (char *)(uintptr_t)procfs },
		[SPLIT_ACTOR] = act_part(),
	};
	TRY(spawner_start(&s->spawner, parts, SPLIT_PARTS, OPENER_POWERS));
	if (!(power_have() & OPENER_POWERS))
		return NULL;
	TRY(spawner_begin(&s->spawner, SPLIT_OPENER, &s->opener));
	snprintf(s->procfs, sizeof(s->procfs), "opener:%d:%s", s->opener.fd, procfs);
	return NULL;
}

void split_close(struct split *s)
{
	if (s->opener.fd >= 0)
		close(s->opener.fd);
	if (s->ping >= 0)
		close(s->ping);
	spawner_stop(&s->spawner, ACT_GRACE_MS);
	*s = SPLIT_NONE;
}

/* Only its end makes the socket readable: each request brings one for its answer. */
static bool opener_ended(const struct split *s)
{
	struct pollfd p = { .fd = s->opener.fd, .events = POLLIN };
	return s->opener.fd >= 0 && poll(&p, 1, 0) == 1;
}

/*
 * Somebody was not answered in time. On a busy machine the answer only takes a while: so one that is asked now must be there
 * when we come again.
 */
static bool opener_stuck(struct split *s)
{
	if (s->opener.fd < 0 || !proc_opener_is_stuck(s->opener.fd))
		return false;
	if (s->ping < 0) {
		s->ping = proc_opener_ping(s->opener.fd);
		return s->ping < 0;
	}
	struct pollfd p = { .fd = s->ping, .events = POLLIN };
	bool answered = poll(&p, 1, 0) == 1;
	close(s->ping);
	s->ping = -1;
	if (answered)
		proc_opener_trust(s->opener.fd);
	return !answered;
}

/* The new one answers at the number of the old: that is in the name that everybody has. */
static struct err *reopen(struct split *s)
{
	struct child fresh;
	TRY(spawner_begin(&s->spawner, SPLIT_OPENER, &fresh));
	int got = dup3(fresh.fd, s->opener.fd, O_CLOEXEC);
	int os = errno;
	close(fresh.fd);
	s->opener.pid = fresh.pid;
	return got < 0 ? err_os(os, "the socket of the process that opens files") : NULL;
}

struct err *split_tend(struct split *s, int64_t now_ns, struct strbuf *news)
{
	char how[80] = "is gone";
	if (!s->again.began_ns)
		spawner_again_began(&s->again, now_ns);
	bool ended = opener_ended(s);
	if (!ended && !s->opener_dead && !opener_stuck(s))
		return NULL;
	if (!s->opener_dead) {
		s->opener_dead = true;
		if (ended)
			(void)spawner_ended(&s->spawner, SPLIT_OPENER, how, sizeof(how));
		else
			snprintf(how, sizeof(how), "waits for a file system that does not answer");
		spawner_again_ended(&s->again, now_ns);
		strbuf_printf(news, "the process that opens files %s; it begins again in %u s\n", how,
			      s->again.pause_s);
	}
	if (now_ns < s->again.due_ns)
		return NULL;
	struct err *err = reopen(s);
	if (err && err_code(err) == ERR_GONE)
		return err;
	spawner_again_began(&s->again, now_ns);
	s->opener_dead = false;
	strbuf_printf(news, "%s\n", err ? err_text(err) : "the process that opens files has begun again");
	err_free(err);
	return NULL;
}

static void note(struct strbuf *problems, struct err *err)
{
	if (err)
		strbuf_printf(problems, "%s\n", err_text(err));
	err_free(err);
}

void split_confine(const struct config *c, struct strbuf *problems)
{
	unsigned keep = (c->bpf ? POWER_BPF : 0) | (c->kernel_log ? POWER_SYSLOG : 0);
	note(problems, power_keep(keep));
	note(problems, filter_apply(FILTER_ANALYSE | (c->bpf ? FILTER_BPF : 0)));
}
