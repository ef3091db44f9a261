/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch - the daemon: looks (sense), judges (alarm), keeps (store), shows (surface, httpd) and acts (act), on one loop.
 *
 * One thread and one loop of libevent; what takes long is done by children (watch/capture) or by the actor (act). What is
 * broken while it runs (a full disk, a webhook, a source of the kernel) is told once, counted, and tried again; sampling
 * goes on.
 */

#include "base/err.h"
#include "model/watch.h"

struct watch_options {
	const char *config_path;   /* NULL: the defaults */
	const char *listen, *data; /* instead of the configuration's; NULL */
	const char *procfs;
	/* one look at everything, handed to this, and done; NULL: run until SIGTERM or SIGINT. The largest comes first; notes: what
	 * could not be looked at and why, a line each */
	void (*once)(void *arg, const struct watch_target *const *targets, size_t n, const char *notes);
	void *arg;
};

/* ARG, FORMAT (the configuration), WRITE (the data directory), OS (the address is taken), UNSUPPORTED. */
MUST_CHECK struct err *watch_run(const struct watch_options *opt);
