/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* watch/tell - events: kept, counted, logged; and the incidents that actors are told of. */

#include "watch/daemon.h"

/* Keeps the event, counts it, logs it. */
void watch_tell(struct daemon *d, const struct watch_event *e);
/* An event of the daemon itself. */
void watch_note(struct daemon *d, enum watch_event_kind kind, const char *name, const char *fmt, ...) ERR_PRINTF(4, 5);
/* What alarm_feed() appended. */
void watch_tell_all(struct daemon *d, struct watched *w, const struct watch_event_vec *events);
/* Begins and ends incidents as the state of a target says. */
void watch_act(struct daemon *d, struct watched *w, const struct watch_event *e);
/* From time to time: beginnings and changes that were refused, when there is room. */
void watch_act_again(struct daemon *d);
/* Whom its policy told of an incident are told its end, as another policy takes over: watch_act() begins it there. */
void watch_act_leave(struct daemon *d, struct watched *w);
void watch_act_kill(struct daemon *d, struct watched *w, const struct watch_event *e);
void watch_act_passing(struct daemon *d, int64_t now_ns);
void watch_act_outcomes(struct daemon *d);
/* See act_tend(). */
MUST_CHECK struct err *watch_act_tend(struct daemon *d);
/* An error that goes on: told the first time, and when it is over. */
void watch_store_outcome(struct daemon *d, struct err *err);
