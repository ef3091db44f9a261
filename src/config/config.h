/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/config - what `ullage watch` is told to do: a YAML file, checked whole before any of it counts.
 *
 * Every key is a row of the tables in config/schema.c: name, kind, range, one line that teaches; its default is in
 * config/defaults.c. Unknown keys, keys twice, wrong kinds and values out of range are FORMAT errors
 * "FILE:LINE:COLUMN: key: what is wrong"; all of them are told, not only the first. Ceilings: CONFIG_BYTES of text,
 * CONFIG_NODES of YAML nodes (those that an alias repeats are counted again), CONFIG_DEPTH levels, CONFIG_PROBLEMS told.
 * Durations "200ms", "15s", "5m", "1h30m", "7d"; sizes "64MiB", "1.5GiB", "500M" (M is MiB); shares "85%" or 0.85.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/strbuf.h"
#include "base/vec.h"

enum { CONFIG_BYTES = 1 << 20, CONFIG_NODES = 20000, CONFIG_DEPTH = 16, CONFIG_STEPS = 6, CONFIG_PROBLEMS = 64 };

VEC_TYPE(config_strings, const char *);

/* Whom to watch. A row matches when all that it names does; patterns are fnmatch(3)'s. Rows are tried in order. */
struct config_match {
	const char *name, *cgroup, *unit, *container, *exe; /* NULL: any */
	bool go_only;					    /* default true */
	bool exclude;					    /* what matches is not watched; of `targets` only */
};

/* Up to this share of the limit, a look every so often. In rising order; the last is 1. */
struct config_step {
	double below;
	unsigned interval_ms;
	bool snapshot; /* a full snapshot once per episode when this step is reached */
};

enum config_action_kind { ACTION_WEBHOOK, ACTION_ALERTMANAGER, ACTION_FILE, ACTION_COMMAND, ACTION_KINDS };
extern const char *const config_action_kinds[]; /* "webhook", "alertmanager", "file", "command", NULL */

/* One link of a chain. */
struct config_action {
	enum config_action_kind kind;
	const char *name;	      /* for logs and metrics; no two actions have the same */
	const char *url;	      /* webhook, alertmanager: http:// or https:// */
	const char *path;	      /* file: absolute; appended, one JSON object a line */
	struct config_strings argv;   /* command: the first is an absolute path */
	const char *token_file;	      /* sent as a bearer token; NULL none */
	unsigned timeout_ms, retries; /* of each try; further tries, with back-off */
	bool dry_run;		      /* default: true of a command, false of what only tells */
};

enum config_mode { CONFIG_CANARY, CONFIG_ACT };

/* What holds for a group of targets. */
struct config_policy {
	const char *name; /* no two policies have the same */
	struct config_match match;
	enum config_mode mode;	 /* default canary */
	double warn, open;	 /* shares of the limit: .85 and .92 */
	double close;		 /* the breaker closes below this: .80 */
	unsigned close_after_ms; /* ... for so long */
	unsigned cooldown_ms;	 /* and does not open again before */
	uint64_t limit;		 /* bytes, instead of the cgroup's; 0: the one that binds */
	VEC(struct config_action) actions;
};

/* A periodic profile. */
struct config_profile {
	struct config_match match;
	bool heap, goroutines;
	unsigned interval_ms;
};

/* Another threshold of a signal of the table in alarm/; NAN and 0: as it is there. */
struct config_signal {
	const char *name;
	double threshold; /* in the unit of the signal's row */
	unsigned window_ms;
	bool off;
};

struct config {
	struct arena arena;
	const char *file;		  /* NULL: the defaults */
	const char *listen;		  /* "127.0.0.1:9723" or "unix:/path" */
	const char *data;		  /* directory; NULL: the state directory */
	VEC(struct config_match) targets; /* empty: every Go process */
	struct config_step steps[CONFIG_STEPS];
	unsigned n_steps;
	unsigned open_interval_ms;	    /* at most, while a breaker is open: 100 */
	unsigned discover_ms;		    /* between looks for new processes: 1 s */
	unsigned go_ms, slow_ms;	    /* Go's figures; descriptors, threads, swap: 1 s, 15 s */
	unsigned map_ms;		    /* a `map` of each Go target, 0 never: 5 m */
	VEC(struct config_policy) policies; /* the first that matches; there is always a last one that matches all */
	VEC(struct config_profile) profiles;
	VEC(struct config_signal) signals;
	double z_alarm;		 /* 3.5 */
	unsigned horizon_ms;	 /* warn of a limit that is nearer than this: 10 m */
	uint64_t retain_bytes;	 /* of the data directory: 1 GiB */
	uint64_t retain_ms;	 /* 14 d */
	uint64_t snapshot_bytes; /* a snapshot's budget: 64 MiB */
	unsigned snapshot_ms;	 /* 20 s */
	unsigned targets_max;	 /* 4096 */
	unsigned metrics_max;	 /* series of targets in /metrics: 20000 */
	bool bpf, kernel_log;	 /* ask for what these need: off */
	bool store_arguments;	 /* off */
	const char *log;	 /* "text", "json"; NULL: text, with <N> where the journal reads */
};

/* What holds without a file. */
void config_defaults(struct config *ret);
void config_deinit(struct config *c);

/* One thing that is wrong, or has no effect. */
struct config_problem {
	unsigned line, column; /* from 1 */
	bool warning;
	const char *key;  /* "policies[0].actions[1].url"; "" the whole text */
	const char *text; /* what is wrong and how it would be right */
};

struct config_problems {
	struct arena arena;
	VEC(struct config_problem) v; /* in the order of the text */
	size_t more;		      /* that were not kept */
};

void config_problems_init(struct config_problems *p);
void config_problems_deinit(struct config_problems *p);

/* The text of a file, at most CONFIG_BYTES. NOT_FOUND, DENIED, OS, LIMIT. */
MUST_CHECK struct err *config_text(const char *path, struct strbuf *text);

/* Reads and checks. False when it cannot be used: *ret holds nothing then. `name` is kept as ret->file. */
bool config_check(const char *name, const char *text, size_t len, struct config_problems *problems, struct config *ret);

/*
 * The same of a file, for who only needs to know whether. FORMAT: all that is wrong, a line each. Warnings (a key that has
 * no effect here) are lines in `warnings`, which may be NULL. On an error *ret holds nothing.
 */
MUST_CHECK struct err *config_read(const char *path, struct strbuf *warnings, struct config *ret);

/* The configuration in force, as YAML with every key and its comment: what `ullage check-config` prints. */
void config_print(const struct config *c, struct strbuf *out);
