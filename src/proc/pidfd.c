/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/pidfd.h"

#include <poll.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/num.h"

/* From linux/pidfd.h of 6.15 and later. */
struct info {
	uint64_t mask, cgroup;
	uint32_t pid, tgid, ppid, ids[8];
	int32_t exit_code;
};

#define GET_INFO _IOWR(0xff, 11, struct info)
#define INFO_EXIT (UINT64_C(1) << 3)

enum { STAT_MAX = 4096 };

int proc_pidfd_open(pid_t pid)
{
	return (int)syscall(SYS_pidfd_open, pid, 0);
}

bool proc_pidfd_ended(int pidfd)
{
	struct pollfd p = { .fd = pidfd, .events = POLLIN };
	return poll(&p, 1, 0) == 1 && p.revents & (POLLIN | POLLHUP);
}

/*
 * The kernel shows the last field of stat to those who might trace the process, and 0 to all others. A link of its namespaces
 * is guarded by the same question, and says no. It also is gone with the process, which may be between the two: then it is
 * not known what the 0 was.
 */
static bool is_shown(const struct proc_process *p)
{
	char link[64];
	return readlinkat(p->dir, "ns/pid", link, sizeof(link)) >= 0;
}

/* The last field of stat; zero of a process that lives. */
static bool zombie_status(const struct proc_process *p, int *status)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	struct err *err AUTO(err) = proc_process_text(p, "stat", STAT_MAX, &text);
	struct proc_stat st;
	if (err || !proc_stat_parse(text.buf, text.len, &st) || st.start_ticks != p->start_ticks || st.state != 'Z')
		return false;
	const char *end = text.buf + text.len, *space = memrchr(text.buf, ' ', text.len);
	uint64_t value = 0;
	while (end > text.buf && end[-1] == '\n')
		end--;
	if (!space || space >= end || !num_dec(space + 1, (size_t)(end - space - 1), &value) || value > 0xffff)
		return false;
	*status = (int)value;
	return value || is_shown(p);
}

/* Known from when its parent has asked how it ended: until then stat tells. */
static bool exit_info(int pidfd, int *status)
{
	struct info info = { .mask = INFO_EXIT };
	if (ioctl(pidfd, GET_INFO, &info) != 0 || !(info.mask & INFO_EXIT))
		return false;
	*status = info.exit_code;
	return true;
}

int proc_pidfd_signal(int pidfd, const struct proc_process *p)
{
	int status = 0;
	bool known = exit_info(pidfd, &status) || zombie_status(p, &status) || exit_info(pidfd, &status);
	return !known ? -1 : status & 0x7f; /* as wait(2) puts it */
}
