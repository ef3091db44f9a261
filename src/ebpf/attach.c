/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/ebpf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/num.h"
#include "ebpf/session.h"
#include <probes.skel.h>

static const char *const enters[] = { "munmap", "mremap", "brk", "madvise", "shmdt" };
static const char *const exits[] = { "mmap", "munmap", "mremap", "brk", "madvise", "shmat", "shmdt" };

enum { N_ENTERS = sizeof(enters) / sizeof(enters[0]), N_EXITS = sizeof(exits) / sizeof(exits[0]) };

/* ---- tracepoints of single system calls ---- */

/* tracefs, where it is mounted; else an instance of it that is mounted nowhere. -1: none. */
static int tracefs_open(void)
{
	static const char *const places[] = { "/sys/kernel/tracing/events/syscalls",
					      "/sys/kernel/debug/tracing/events/syscalls" };
	for (size_t i = 0; i < 2; i++) {
		int fd = open(places[i], O_PATH | O_DIRECTORY | O_CLOEXEC);
		if (fd >= 0)
			return fd;
	}
	AUTO_CLOSE int fs = (int)syscall(SYS_fsopen, "tracefs", 1 /* FSOPEN_CLOEXEC */);
	if (fs < 0 || syscall(SYS_fsconfig, fs, 6 /* FSCONFIG_CMD_CREATE */, NULL, NULL, 0))
		return -1;
	AUTO_CLOSE int root = (int)syscall(SYS_fsmount, fs, 1 /* FSMOUNT_CLOEXEC */, 0);
	return root < 0 ? -1 : openat(root, "events/syscalls", O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/* A number that the kernel gave the tracepoint; 0: none. */
static uint64_t tracepoint_id(int dir, const char *side, const char *call)
{
	char path[64], text[32];
	uint64_t id = 0;
	snprintf(path, sizeof(path), "sys_%s_%s/id", side, call);
	AUTO_CLOSE int fd = openat(dir, path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text));
	if (n > 0)
		num_dec(text, strspn(text, "0123456789"), &id);
	return id;
}

static int attach_tracepoint(struct ebpf_links *links, int dir, const char *side, const char *call,
			     struct bpf_program *program)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = tracepoint_id(dir, side, call),
	};
	if (!attr.config)
		return -ENOENT;
	/* The program runs on every processor: the event, of which there must be one, is only what it hangs from. */
	int fd = (int)syscall(SYS_perf_event_open, &attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC);
	if (fd < 0)
		return -errno;
	struct bpf_link *link = bpf_program__attach_perf_event(program, fd);
	if (!link) {
		int os = errno;
		close(fd);
		return -os;
	}
	*vec_push(links) = link;
	return 0;
}

static int attach_single(struct ebpf *e, struct ebpf_links *links)
{
	AUTO_CLOSE int dir = tracefs_open();
	int failed = dir < 0 ? -errno : 0;
	for (size_t i = 0; i < N_ENTERS && !failed; i++)
		failed = attach_tracepoint(links, dir, "enter", enters[i], e->skel->progs.classic_enter);
	for (size_t i = 0; i < N_EXITS && !failed; i++)
		failed = attach_tracepoint(links, dir, "exit", exits[i], e->skel->progs.classic_exit);
	return failed;
}

/* ---- the rest ---- */

static int attach_one(struct ebpf_links *links, struct bpf_program *program)
{
	struct bpf_link *link = bpf_program__attach(program);
	if (!link)
		return -errno;
	*vec_push(links) = link;
	return 0;
}

static struct err *attach_all(struct ebpf *e, struct bpf_program *const *programs, size_t n, const char *what)
{
	for (size_t i = 0; i < n; i++) {
		int failed = attach_one(&e->links, programs[i]);
		if (failed)
			return ebpf_refused(-failed, what);
	}
	return NULL;
}

static struct err *attach_calls(struct ebpf *e)
{
	struct bpf_program *const every[] = { e->skel->progs.every_enter, e->skel->progs.every_exit };
	struct ebpf_links single = { 0 };
	if (e->wanted & EBPF_WANT_OLD || attach_single(e, &single)) {
		ebpf_links_destroy(&single);
		return attach_all(e, every, 2, "hooking system calls");
	}
	e->single = true;
	for (size_t i = 0; i < single.n; i++)
		*vec_push(&e->links) = single.v[i];
	vec_deinit(&single);
	return NULL;
}

struct err *ebpf_attach(struct ebpf *e)
{
	struct bpf_program *const life[] = { e->skel->progs.process_exec, e->skel->progs.process_exit,
					     e->skel->progs.process_fork };
	struct bpf_program *const faults[] = { e->skel->progs.fault_user, e->skel->progs.fault_kernel };
	TRY(attach_all(e, life, 3, "hooking the ends of processes"));
	if (e->wanted & EBPF_WANT_FAULT)
		TRY(attach_all(e, faults, 2, "hooking page faults"));
	return e->wanted & EBPF_WANT_MAP ? attach_calls(e) : NULL;
}
