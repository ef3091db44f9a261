/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/daemon - what the parts of the daemon share. Nobody outside of the room includes it.
 */

#include "act/act.h"
#include "alarm/alarm.h"
#include "base/arena.h"
#include "base/vec.h"
#include "config/config.h"
#include "httpd/httpd.h"
#include "sandbox/log.h"
#include "sandbox/notify.h"
#include "sense/sense.h"
#include "store/store.h"
#include "surface/surface.h"
#include "watch/capture.h"
#include "watch/split.h"
#include "watch/watch.h"

struct event;
struct event_base;

enum { WATCH_KEY = 64, BESIDE_LEN = 120 };

/* What a look found, some time ago. */
struct watch_past {
	int64_t time_ns; /* 0: none */
	uint64_t rss;
	uint64_t level;	 /* the working set below the limit that binds */
	uint64_t source; /* whose limit that is: a hash */
};

/* One target, from when it appears to when it ends. */
struct watched {
	struct sense_target *sense;
	struct alarm *alarm;
	const struct config_policy *policy; /* of the configuration in force */
	struct watch_target shown;
	char key[WATCH_KEY];					       /* as in `shown` */
	int64_t due_ns, due_go_ns, due_slow_ns, due_map_ns, stored_ns; /* CLOCK_BOOTTIME */
	int64_t due_profile_ns[CAPTURE_KINDS];
	unsigned still;			    /* reads of Go's figures in a row that found nothing new */
	unsigned profile_ms[CAPTURE_KINDS]; /* 0: none */
	unsigned wanted;		    /* captures that wait, 1 << enum capture_kind */
	bool less;			    /* the snapshot that waits is to have less */
	uint32_t captured;		    /* the episode that has its snapshot of the alarm */
	int64_t dense_ns, dense_after_ns;   /* until when each look is kept; not to begin again before that, or ... */
	unsigned dense_step;		    /* ... before its step is above this one */
	unsigned step;			    /* the row of the configuration's steps that its share is in */
	bool step_captured;		    /* the step that asks for a snapshot has it */
	/* the fullest look of the last seconds: what a kill ends with is less */
	struct {
		int64_t time_ns;
		uint64_t working_set, rss, heap;
		char why[sizeof(((struct watch_forecast *)NULL)->why)]; /* of the forecast */
	} top;
	struct watch_past past[4]; /* the newest first: watch/beside */
	struct {
		int64_t due_ns; /* no other answer before */
		char text[BESIDE_LEN];
	} beside;		  /* the same */
	bool refused;		  /* the beginning of an incident: too much waited */
	enum watch_state told;	  /* the state that actions know */
	uint32_t incident;	  /* the episode that `told` is about, */
	int64_t incident_wall_ns; /* and when actions were first told of it */
};

/* A kill is told and, some minutes later, over: nothing else ends it. */
struct watch_passing {
	char incident[WATCH_KEY + 32];
	const char *policy; /* in `arena`, as strings of the target are */
	struct watch_target target;
	struct arena arena;
	int64_t wall_ns; /* when it was killed */
	int64_t until_ns;
};

struct daemon {
	const struct watch_options *opt;
	struct config *config;
	struct event_base *loop;
	struct event *tick, *second, *discover, *news, *outcomes, *captured, *alive;
	struct event *signals[3];
	struct sense *sense;
	struct store *store;
	char *data;	       /* its directory */
	char *listen;	       /* as it was said */
	bool may_bpf, may_log; /* what these need was kept */
	struct httpd *httpd;
	struct act *act;
	struct split split;
	struct notify notify;
	struct log log;
	struct strbuf notes; /* with --once: of what is no event then */
	struct arena texts;  /* of events, until they were handed on */
	VEC(struct watched *) targets;
	VEC(struct watch_passing *) passing;
	struct capture capture;
	struct store_blob blob; /* of the capture under way */
	char captured_key[WATCH_KEY];
	int64_t maps_ns; /* CLOCK_BOOTTIME until when maps have used their share of the CPU */
	struct surface_self self;
	bool discovered; /* once, at least */
	bool store_failed;
	bool act_full;	    /* too much waits to be done, and that was noted */
	size_t store_told;  /* so many bytes of what it told are in the log */
	struct err *failed; /* why it ends by itself */
	int64_t trimmed_ns;
};

/* ---- watch.c ---- */

/* Its own figures, as of now. */
void watch_self(struct daemon *d);
MUST_CHECK struct err *watch_read_config(struct daemon *d, struct config **ret);
