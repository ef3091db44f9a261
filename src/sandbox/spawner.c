/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/spawner.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/pass.h"
#include "sandbox/filter.h"
#include "sandbox/power.h"

enum { KILL_MS = 1500, HOW_LEN = 80 };
enum verb { VERB_BEGIN, VERB_ENDED };

struct request {
	uint8_t verb, part;
};

struct answer {
	int32_t os; /* errno, 0: done */
	int32_t pid;
	char how[HOW_LEN]; /* "": it has not ended */
};

/* ---- the process ---- */

struct family {
	const struct spawner_part *parts;
	size_t n;
	unsigned powers;
	struct child children[SPAWNER_PARTS]; /* without their sockets: whoever asked has those */
};

/* Gives its socket, to be sent away and closed here: its end must be the end of whoever has it. */
static int begin(struct family *f, unsigned i, struct answer *a)
{
	const struct spawner_part *p = &f->parts[i];
	struct child *c = &f->children[i];
	child_stop(c, 0);
	struct err *err AUTO(err) = child_start(p->name, p->kind, p->run, p->arg, c);
	if (err) {
		a->os = EAGAIN;
		return -1;
	}
	int fd = c->fd;
	c->fd = -1;
	a->pid = c->pid;
	return fd;
}

static int serve(int fd, void *arg)
{
	struct family *f = arg;
	struct request r;
	struct err *err AUTO(err) = power_keep(f->powers);
	int none = -1;
	if (!err)
		err = filter_apply(FILTER_ACT | FILTER_SPAWN);
	if (err && err_code(err) == ERR_UNSUPPORTED) { /* a kernel without filters: without, then */
		err_free(err);
		err = NULL;
	}
	child_settle();
	while (!err && pass_receive(fd, &r, sizeof(r), &none) == sizeof(r) && r.part < f->n) {
		struct answer a = { 0 };
		AUTO_CLOSE int socket = r.verb == VERB_BEGIN ? begin(f, r.part, &a) : -1;
		if (r.verb == VERB_ENDED && f->children[r.part].pid > 0)
			child_ended(&f->children[r.part], a.how, sizeof(a.how));
		if (!pass_send(fd, &a, sizeof(a), socket))
			break;
	}
	for (size_t i = 0; i < f->n; i++)
		child_stop(&f->children[i], KILL_MS);
	return err != NULL;
}

/* ---- whoever asks ---- */

struct err *spawner_start(struct spawner *s, const struct spawner_part *parts, size_t n, unsigned powers)
{
	struct family f = { .parts = parts, .n = n < SPAWNER_PARTS ? n : SPAWNER_PARTS, .powers = powers };
	for (size_t i = 0; i < SPAWNER_PARTS; i++)
		f.children[i] = CHILD_NONE;
	return child_start("ullage-spawn", CHILD_MESSAGES, serve, &f, &s->child);
}

static bool ask(struct spawner *s, enum verb verb, unsigned part, struct answer *ret, int *fd)
{
	const struct request r = { (uint8_t)verb, (uint8_t)part };
	struct pollfd p = { .fd = s->child.fd, .events = POLLIN };
	*fd = -1;
	if (s->child.fd < 0 || !pass_send(s->child.fd, &r, sizeof(r), -1))
		return false;
	while (poll(&p, 1, SPAWNER_WAIT_MS) < 0 && errno == EINTR)
		;
	if (p.revents && pass_receive(s->child.fd, ret, sizeof(*ret), fd) == sizeof(*ret)) {
		ret->how[sizeof(ret->how) - 1] = 0;
		return true;
	}
	return false;
}

struct err *spawner_begin(struct spawner *s, unsigned part, struct child *ret)
{
	struct answer a = { 0 };
	int fd = -1;
	*ret = CHILD_NONE;
	if (!ask(s, VERB_BEGIN, part, &a, &fd)) {
		spawner_stop(s, 0); /* an answer that comes late would be taken for another */
		return err_new(ERR_GONE, "the process that begins the others is gone");
	}
	if (fd < 0)
		return err_os(a.os ? a.os : EIO, "beginning a process");
	if (fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
		close(fd);
		return err_os(errno, "beginning a process");
	}
	*ret = (struct child){ .pid = a.pid, .fd = fd };
	return NULL;
}

bool spawner_ended(struct spawner *s, unsigned part, char *how, size_t len)
{
	struct answer a = { 0 };
	int fd = -1;
	bool known = ask(s, VERB_ENDED, part, &a, &fd);
	if (fd >= 0)
		close(fd);
	if (known)
		snprintf(how, len, "%s", a.how);
	return known && *a.how;
}

void spawner_stop(struct spawner *s, int grace_ms)
{
	child_stop(&s->child, grace_ms);
}

/* ---- when to begin a part again ---- */

#define NS_PER_S INT64_C(1000000000)

void spawner_again_ended(struct spawner_again *a, int64_t now_ns)
{
	if (now_ns - a->began_ns >= SPAWNER_STABLE_S * NS_PER_S)
		a->pause_s = 0;
	else
		a->pause_s = !a->pause_s			    ? 1
			     : a->pause_s * 2 < SPAWNER_PAUSE_MAX_S ? a->pause_s * 2
								    : SPAWNER_PAUSE_MAX_S;
	a->due_ns = now_ns + a->pause_s * NS_PER_S;
}

void spawner_again_began(struct spawner_again *a, int64_t now_ns)
{
	a->times += a->began_ns != 0;
	a->began_ns = now_ns;
}
