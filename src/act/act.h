/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act - doing what a policy says: telling Alertmanager or a webhook, writing a line, running a command.
 *
 * A chain is done in a process of its own, which has no capability and nothing of the daemon but one socket. When it ends,
 * another takes its place (act_tend()) and is told what was not done: what was under way may so be done twice, nothing is lost. The links of a chain do not wait for each other, except that one link gets what is told of one incident in its
 * order. Nothing here blocks the caller, but for act_rehearse() where it is asked to. What waits is bounded (ACT_WAITING).
 *
 * A link tries again after 408, 425, 429, 5xx, a timeout or no connection: 0.5 s, 1 s, 2 s, ... at most a minute, half of it by
 * chance, or as Retry-After asks (an hour at most). Files and commands are not tried again.
 * A webhook gets a POST of the incident (act/incident.h); Alertmanager gets the alert, and again every minute while it lasts.
 * A file gets the incident as a line; a command gets it as its standard input, with an environment of PATH, LANG and a few
 * ULLAGE_ variables, as the leader of a process group that is killed at the timeout.
 */

#include "base/err.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "model/watch.h"
#include "sandbox/spawner.h"

enum { ACT_WAITING = 1024, ACT_INCIDENTS = 4096, ACT_GRACE_MS = 2000, ACT_REHEARSE_MS = 5000 };

struct act;

/* One incident: the same `incident` is told again when it changes or ends, never twice for one state. */
struct act_order {
	const char *incident;  /* stable: target key and episode */
	const char *alertname; /* stable, CamelCase: "UllageMemory" */
	bool resolved;
	bool dry; /* canary: say what would be done */
	int64_t started_wall_ns;
	const char *severity; /* "info", "warning", "critical"; NULL: by the target's state */
	const struct watch_target *target;
	const struct watch_event *event; /* NULL: it just ends */
};

/* How one link of the chain ended. */
struct act_outcome {
	const char *action;   /* its name */
	const char *incident; /* "" where it is about none */
	bool done, dry;
	const char *text;   /* "HTTP 200", "timed out after 5 s", "would POST to ...", ... */
	const char *reason; /* why it was told: the target's, or who was killed; NULL when that is not known any more */
	const char *output; /* of a command: the start of what it wrote; NULL none */
	unsigned tries;
	bool rehearsal; /* no incident: a link that will not work, as act_rehearse() found */
	bool repeated;	/* an alert that lasts could not be told again; the first time that is */
	bool actor;	/* no incident: what became of the process that acts */
};

struct spawner_part act_part(void);

/* Begins the actor: act_part() is part `part` of `sp` (borrowed). */
MUST_CHECK struct err *act_start(struct spawner *sp, unsigned part, struct act **ret);
void act_stop(struct act *a); /* gives what is under way a moment (ACT_GRACE_MS) to end */

/* The chain of each policy, by name; again after a reload: alerts of links that are still there go on. LIMIT: too much of it. */
MUST_CHECK struct err *act_configure(struct act *a, const struct config *c);

/*
 * Rehearses every link that is not dry: connects to hosts (nothing is sent), opens files to append, looks whether a command may be run, and
 * reads tokens. Waits for the result, at most ACT_REHEARSE_MS, and adds to `problems` a line for each that will not work. With
 * `problems` NULL it does not wait: they come as outcomes. OS: the actor has ended meanwhile.
 */
MUST_CHECK struct err *act_rehearse(struct act *a, struct strbuf *problems);

/*
 * Tells the chain of `policy`. True also where there is nothing to do: no chain, or this state of the incident was told, or
 * it is resolved and was never told. False: too much waits (act_dropped() counts). Ends have more room than beginnings, so that
 * what was told is not left to go on.
 */
bool act_post(struct act *a, const char *policy, const struct act_order *o);

int act_fd(const struct act *a); /* an epoll descriptor, readable: act_dispatch() has something to do */
void act_dispatch(struct act *a, void (*outcome)(void *arg, const struct act_outcome *o), void *arg);

/* From time to time: begins the actor again when it has ended and its time has come. GONE: there is no spawner any more. */
MUST_CHECK struct err *act_tend(struct act *a, void (*outcome)(void *arg, const struct act_outcome *o), void *arg);

unsigned act_waiting(const struct act *a);	/* links that are not done */
unsigned long act_dropped(const struct act *a); /* orders that were refused */
unsigned long act_restarts(const struct act *a);
/* Why there is no actor now, or NULL. */
const char *act_dead(const struct act *a);
