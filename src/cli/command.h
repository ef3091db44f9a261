/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cli/command - the table of commands.
 *
 * To add a command: one file with a `const struct command`, declared here and put into command_table in command.c. Its
 * help, its place in `ullage help` and its options come from that struct.
 */

#include "base/err.h"
#include "operand/options.h"

struct command_example {
	const char *line, *about;
};

struct command {
	const char *name;
	const char *purpose;			/* one line, for the list of commands */
	const char *usage;			/* after "ullage ", one form a line */
	const char *about;			/* what it does and how to read it */
	const struct command_example *examples; /* end with a NULL line */
	const struct option_row *options;
	const char *needs;    /* which permission for what; NULL: none */
	const void *defaults; /* its own struct of option values, as they are where nothing is given */
	size_t size;
	/* `values` is that struct after the options. *status is what to exit with on success; it is 0 before. */
	struct err *(*run)(void *values, const struct arg_vec *operands, int *status);
};

/* clang-format off: a line each */
extern const struct command command_ps;
extern const struct command command_map;
extern const struct command command_heap;
extern const struct command command_owners;
extern const struct command command_goroutines;
extern const struct command command_timers;
extern const struct command command_fds;
extern const struct command command_record;
extern const struct command command_snap;
extern const struct command command_show;
extern const struct command command_diff;
extern const struct command command_diagnose;
extern const struct command command_watch;
extern const struct command command_history;
extern const struct command command_dump;
extern const struct command command_check_config;
extern const struct command command_doctor;
extern const struct command command_help;
/* clang-format on */
extern const struct command *const command_table[]; /* ends with NULL, in the order of the help */

/* The help of one command, or of the program for NULL, appended. */
void command_help_text(const struct command *c, struct strbuf *out);

/* ARG, with a suggestion, when there is no such command. */
MUST_CHECK struct err *command_find(const char *name, const struct command **ret);

/* Parse, and run it or print its help. argv[0] is its name. */
MUST_CHECK struct err *command_run(const struct command *c, int argc, char **argv, int *status);

/* The help of one command, or of the program for NULL, on standard output. */
MUST_CHECK struct err *command_print_help(const struct command *c);

/* Rows that several commands have, for their option tables. */
#define OPTION_ROWS_HELP(type)                                                                                         \
	{                                                                                                              \
		"help", 'h', OPTION_FLAG, offsetof(struct type, help), NULL, false, 0, NULL, "show this help"          \
	}
#define OPTION_ROWS_OUT(type)                                                                                          \
	{ "output",                                                                                                    \
	  'o',                                                                                                         \
	  OPTION_STR,                                                                                                  \
	  offsetof(struct type, file),                                                                                 \
	  "FILE",                                                                                                      \
	  false,                                                                                                       \
	  0,                                                                                                           \
	  NULL,                                                                                                        \
	  "write to FILE, which appears whole or not at all (- is standard output)" },                                 \
		OPTION_ROWS_SCREEN(type)
#define OPTION_ROWS_SCREEN(type)                                                                                       \
	{ "color",                                                                                                     \
	  0,                                                                                                           \
	  OPTION_CHOICE,                                                                                               \
	  offsetof(struct type, color),                                                                                \
	  "WHEN",                                                                                                      \
	  true,                                                                                                        \
	  1,                                                                                                           \
	  option_when,                                                                                                 \
	  "auto, always or never; auto is a terminal without NO_COLOR" },                                              \
	{                                                                                                              \
		"procfs", 0, OPTION_STR, offsetof(struct type, procfs), "DIR", false, 0, NULL,                         \
			"where proc is mounted (default /proc)"                                                        \
	}
#define OPTION_ROWS_CORE(type)                                                                                         \
	{                                                                                                              \
		"exe", 0, OPTION_STR, offsetof(struct type, exe), "FILE", false, 0, NULL,                              \
			"the executable of a core that is not where it was, or is here as another build"               \
	}
#define OPTION_ROWS_JSON(type)                                                                                         \
	{                                                                                                              \
		"json", 0, OPTION_FLAG, offsetof(struct type, json), NULL, false, 0, NULL,                             \
			"one JSON object, and nothing else, on standard output"                                        \
	}
#define OPTION_ROWS_TARGET(type)                                                                                       \
	{                                                                                                              \
		"name", 0, OPTION_STR, offsetof(struct type, target.comm), "COMM",                                     \
		false,	0, NULL,       "the process of this name"                                                      \
	},                                                                                                             \
		{ "cgroup", 0, OPTION_STR, offsetof(struct type, target.cgroup), "PATH",                               \
		  false,    0, NULL,	   "the process in this cgroup" },                                             \
		{ "unit", 0, OPTION_STR, offsetof(struct type, target.unit), "NAME",                                   \
		  false,  0, NULL,	 "the process of this systemd unit" },                                         \
	{                                                                                                              \
		"container", 0, OPTION_STR, offsetof(struct type, target.container), "ID", false, 0, NULL,             \
			"the process of this container; the start of the id is enough"                                 \
	}

extern const char *const option_when[]; /* the values of enum style_when */
