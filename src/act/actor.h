/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/actor - the process that does it: one loop over what the daemon sends, transfers under way and commands that run.
 */

#include "act/alerts.h"
#include "act/chain.h"
#include "act/command.h"
#include "act/frame.h"
#include "act/order.h"
#include "net/post.h"

enum { ACTOR_JOBS = 4 * ACT_WAITING, ACTOR_TOKEN_MAX = 16 * 1024 };

enum job_kind {
	JOB_TELL,     /* an order through a link: its end is an outcome */
	JOB_AGAIN,    /* alerts that last, told again */
	JOB_REHEARSE, /* a connection, for a rehearsal */
};

struct job {
	struct job *next;
	enum job_kind kind;
	struct chains *set; /* keeps `link` */
	struct link *link;
	struct order *order;	     /* JOB_TELL */
	unsigned place;		     /* ... of the link in its chain */
	struct rehearsal *rehearsal; /* JOB_REHEARSE */
	char *body;		     /* what Alertmanager gets; NULL: the order's JSON */
	bool running;
	unsigned tries;
	int64_t not_before;
	struct command command; /* pid 0: none */
};

/* What one FRAME_REHEARSE asked for. */
struct rehearsal {
	uint32_t number;
	unsigned waiting; /* connections */
	struct strbuf problems;
	uint32_t n_problems;
};

struct actor {
	int fd, epoll;
	bool closing;	 /* the daemon has gone */
	int64_t give_up; /* then: when what is under way is left */
	struct frame_reader in;
	struct strbuf out;
	size_t sent;
	bool want_out;
	struct chains *chains; /* NULL: none yet */
	struct http_posts *posts;
	struct job *jobs; /* in the order of their coming */
	unsigned n_jobs;
	struct alerts alerts;
};

/* Runs until the daemon's end of the socket closes; the exit status. For child_start(). */
int actor_run(int fd, void *arg);

/* ---- act/job.c ---- */

/* Every link of its policy's chain gets a job. */
void job_order(struct actor *a, struct order *o, int64_t now);
/* Begins what can begin. */
void job_start_all(struct actor *a, int64_t now);
/* A transfer has ended. */
void job_posted(struct actor *a, const struct http_posted *p, int64_t now);
/* Looks after commands. */
void job_step_commands(struct actor *a, int64_t now);
/* When something is to be begun, or a command ended; INT64_MAX: nothing is. */
int64_t job_next(const struct actor *a);
bool job_running(const struct actor *a);
/* Is the end of that alert to be told by a job that waits? */
bool job_ends(const struct actor *a, const struct alert *one);
void job_free_all(struct actor *a); /* kills commands */
/* A new one at the end of the list, for `link` of the chains in force. */
struct job *job_new(struct actor *a, enum job_kind kind, struct link *link);

/* What a token file holds, without the space around it, in a buffer of ACTOR_TOKEN_MAX. */
MUST_CHECK struct err *job_token(const char *path, char *buf);

/* ---- act/rehearse.c ---- */

void rehearse_begin(struct actor *a, uint32_t number);
/* One of its connections has come about, or not. */
void rehearse_connected(struct actor *a, const struct job *j, const char *what);
