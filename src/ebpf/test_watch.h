/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * ebpf/test_watch - a child that does something under probes, for the tests of this room. Include after cmocka.h.
 */

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/vec.h"
#include "ebpf/ebpf.h"
#include "fixture/ok.h"

struct seen {
	struct ebpf_event ev;
	size_t n_user, n_go;
	uint64_t user[EBPF_FRAMES_MAX], go[EBPF_FRAMES_MAX];
};

struct watch {
	struct ebpf *e;
	pid_t pid;
	int go; /* closed to let the child run */
	void *shared;
	VEC(struct seen) seen;
	struct ebpf_stats stats;
};

enum { SHARED = 1 << 20 };

static inline void keep(void *arg, const struct ebpf_event *ev)
{
	struct watch *w = arg;
	struct seen *s = vec_push(&w->seen);
	s->ev = *ev;
	memcpy(s->user, ebpf_event_user(ev), 8 * (size_t)ev->n_user);
	memcpy(s->go, ebpf_event_go(ev), 8 * (size_t)ev->n_go);
	s->n_user = ev->n_user;
	s->n_go = ev->n_go;
}

static unsigned old_ways; /* EBPF_WANT_OLD, or 0 */

/* A session, or the test is skipped with its reason. */
static inline struct ebpf *session_open(unsigned wanted, size_t ring)
{
	struct ebpf *e = NULL;
	struct err *err = ebpf_open(&(struct ebpf_options){ wanted | old_ways, ring }, &e);
	if (!err)
		return e;
	print_message("%s\n", err_text(err));
	bool must = geteuid() == 0 && err_code(err) != ERR_UNSUPPORTED && err_code(err) != ERR_DENIED;
	err_free(err);
	if (must)
		fail();
	skip();
	return NULL;
}

/* A child that runs body(memory that we share with it) once watch_run() is called, and exits then. */
static inline struct watch watch_start(void **state, unsigned wanted, size_t ring, void (*body)(void *arg))
{
	struct watch w = { .e = session_open(wanted, ring) };
	int ends[2];
	w.shared = mmap(NULL, SHARED, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	w.pid = fork();
	if (w.pid == 0) {
		char c;
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(ends[1]);
		if (read(ends[0], &c, 1) == 0)
			body(w.shared);
		_exit(0);
	}
	close(ends[0]);
	w.go = ends[1];
	ok(ebpf_process_add(w.e, w.pid, &(struct ebpf_process){ .copy_stack = 4096 }));
	ok(ebpf_attach(w.e));
	return w;
}

static inline int seen_by_time(const void *a, const void *b)
{
	const struct seen *x = a, *y = b;
	return (x->ev.time > y->ev.time) - (x->ev.time < y->ev.time);
}

/* Let it run to its end, and hear all of it, in order. */
static inline void watch_run(struct watch *w)
{
	bool gone = false;
	close(w->go);
	while (!gone) {
		gone = waitpid(w->pid, NULL, WNOHANG) == w->pid;
		ok(ebpf_poll(w->e, gone ? 0 : 10, keep, w));
	}
	vec_sort(&w->seen, seen_by_time);
	ebpf_stats(w->e, &w->stats);
}

static inline void watch_end(struct watch *w)
{
	ebpf_close(w->e);
	munmap(w->shared, SHARED);
	vec_deinit(&w->seen);
}
