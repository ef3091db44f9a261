/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/split.h"

#include <stdio.h>
#include <string.h>

#include "proc/opener.h"
#include "sandbox/child.h"
#include "sandbox/filter.h"
#include "sandbox/power.h"

enum { OPENER_GRACE_MS = 500, OPENER_POWERS = POWER_PTRACE | POWER_DAC_READ_SEARCH };

/* Without a filter one may go on. */
static struct err *filter(unsigned roles)
{
	struct err *err = filter_apply(roles);
	if (!err || err_code(err) != ERR_UNSUPPORTED)
		return err;
	err_free(err);
	return NULL;
}

static int serve(int fd, void *procfs)
{
	struct err *err AUTO(err) = power_keep(OPENER_POWERS);
	if (!err)
		err = filter(FILTER_OPEN);
	child_settle();
	return err ? 1 : proc_opener_serve(fd, procfs);
}

struct err *split_open(struct split *s, const char *procfs)
{
	*s = SPLIT_NONE;
	if (strlen(procfs) + sizeof("opener:2147483647:") > sizeof(s->procfs))
		return err_new(ERR_ARG, "the path of procfs is too long");
	snprintf(s->procfs, sizeof(s->procfs), "%s", procfs);
	if (!(power_have() & OPENER_POWERS))
		return NULL;
	TRY(child_start("ullage-open", CHILD_MESSAGES, serve, s->procfs, &s->opener));
	snprintf(s->procfs, sizeof(s->procfs), "opener:%d:%s", s->opener.fd, procfs);
	return NULL;
}

void split_close(struct split *s)
{
	child_stop(&s->opener, OPENER_GRACE_MS);
}

static void note(struct strbuf *problems, struct err *err)
{
	if (err)
		strbuf_printf(problems, "%s\n", err_text(err));
	err_free(err);
}

void split_confine(const struct config *c, struct strbuf *problems)
{
	unsigned keep = (c->bpf ? POWER_BPF : 0) | (c->kernel_log ? POWER_SYSLOG : 0);
	note(problems, power_keep(keep));
	note(problems, filter_apply(FILTER_ANALYSE | (c->bpf ? FILTER_BPF : 0)));
}
