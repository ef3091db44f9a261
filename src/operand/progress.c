/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/progress.h"

#include <string.h>
#include <sys/time.h>
#include <unistd.h>

volatile sig_atomic_t progress_interrupted;

static const char *volatile current;
static volatile sig_atomic_t shown;

/* Runs in the signal handler: write(2) only. */
static void show(int signal)
{
	static const char clear[] = "\r\x1b[K", dots[] = " ...";
	const char *step = current;
	(void)!write(STDERR_FILENO, clear, sizeof(clear) - 1);
	if (!step)
		return;
	(void)!write(STDERR_FILENO, step, strlen(step));
	(void)!write(STDERR_FILENO, dots, sizeof(dots) - 1);
	shown = 1;
}

static void interrupt(int signal)
{
	progress_interrupted = signal;
}

static void set_timer(long seconds)
{
	struct itimerval t = { .it_value = { .tv_sec = seconds } };
	setitimer(ITIMER_REAL, &t, NULL);
}

void progress_start(void)
{
	/* The second interrupt kills, should the first not be enough. */
	struct sigaction stop = { .sa_handler = interrupt, .sa_flags = (int)SA_RESETHAND };
	sigaction(SIGINT, &stop, NULL);
	sigaction(SIGTERM, &stop, NULL);
	sigaction(SIGHUP, &stop, NULL);
	if (!isatty(STDERR_FILENO))
		return;
	struct sigaction alarm = { .sa_handler = show, .sa_flags = SA_RESTART };
	sigaction(SIGALRM, &alarm, NULL);
}

void progress_step(const char *step)
{
	current = step;
	if (!isatty(STDERR_FILENO))
		return;
	if (shown)
		show(0);
	else
		set_timer(1);
}

void progress_end(void)
{
	set_timer(0);
	current = NULL;
	if (shown)
		show(0);
	shown = 0;
}
