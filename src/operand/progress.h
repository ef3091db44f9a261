/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/progress - "reading pages..." on a terminal's standard error, when a step lasts over a second; and the
 * interrupt that ends a command with what it has.
 *
 * One at a time: signals are the process's. Uses SIGALRM, SIGINT, SIGTERM, SIGHUP.
 */

#include <signal.h>
#include <stdbool.h>

extern volatile sig_atomic_t progress_interrupted; /* nonzero after the first SIGINT, SIGTERM or SIGHUP */

void progress_start(void);
void progress_step(const char *step); /* a string constant: it is printed later */
void progress_end(void);	      /* removes what stands on the terminal; keeps the interrupt */
