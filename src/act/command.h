/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/command - a command of an administrator, run without a shell.
 *
 * argv[0] is a path. Its input is given text (a file in memory), its output and error are one pipe, of which COMMAND_OUTPUT
 * bytes are kept and the rest is thrown away. It has an environment of its own, and leads a process group, which is
 * killed at the timeout. What it leaves running in the background when it ends by itself stays.
 */

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/err.h"
#include "config/config.h"

enum { COMMAND_OUTPUT = 2048, COMMAND_TEXT_LEN = 200 };

struct command {
	pid_t pid;
	int pidfd, out; /* both readable: command_step() */
	unsigned timeout_ms;
	int64_t began, deadline; /* CLOCK_MONOTONIC ns */
	bool killed;
	char output[COMMAND_OUTPUT + 1];
	size_t n_output, lost; /* bytes kept and thrown away */
};

/* `env` ends with NULL. DENIED, OS, ARG (no path). */
MUST_CHECK struct err *command_start(struct command *c, const struct config_strings *argv, const char *const *env,
				     const char *input, unsigned timeout_ms, int64_t now);

/* Reads what it wrote and kills it when its time is over. True: it has ended; `text` says how, and *ok whether well. */
bool command_step(struct command *c, int64_t now, bool *ok, char text[COMMAND_TEXT_LEN]);

/* Kills it now, and waits. */
void command_abandon(struct command *c);

/* What is in the way of running it. NULL: nothing that can be seen. */
MUST_CHECK struct err *command_rehearse(const struct config_strings *argv);
