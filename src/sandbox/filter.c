/* SPDX-License-Identifier: Apache-2.0 */
#include "sandbox/filter.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/cleanup.h"

#if defined(__SANITIZE_ADDRESS__)
#define FILTER_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define FILTER_SANITIZED 1
#endif
#endif

#define CLONE_NAMESPACES                                                                                               \
	((unsigned)(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWUSER | CLONE_NEWPID |       \
		    CLONE_NEWNET))

enum {
	ALL = FILTER_ANALYSE | FILTER_OPEN | FILTER_ACT,
	BOTH = FILTER_ANALYSE | FILTER_ACT,
	ACT = FILTER_ACT,
	ANALYSE = FILTER_ANALYSE,
};

/* A call that may be made, by whom. Names that libseccomp does not know on this machine are passed over. */
static const struct {
	unsigned roles;
	const char *name;
} allowed[] = {
	/* memory, threads, signals, time: what any program does */
	{ ALL, "arch_prctl" },
	{ ALL, "brk" },
	{ ALL, "clock_getres" },
	{ ALL, "clock_gettime" },
	{ ALL, "clock_nanosleep" },
	{ ALL, "exit" },
	{ ALL, "exit_group" },
	{ ALL, "futex" },
	{ ALL, "get_robust_list" },
	{ ALL, "getcpu" },
	{ ALL, "getegid" },
	{ ALL, "geteuid" },
	{ ALL, "getgid" },
	{ ALL, "getpgrp" },
	{ ALL, "getpid" },
	{ ALL, "getppid" },
	{ ALL, "getrandom" },
	{ ALL, "getrusage" },
	{ ALL, "gettid" },
	{ ALL, "gettimeofday" },
	{ ALL, "getuid" },
	{ ALL, "madvise" },
	{ ALL, "membarrier" },
	{ ALL, "mprotect" },
	{ ALL, "mremap" },
	{ ALL, "munmap" },
	{ ALL, "nanosleep" },
	{ ALL, "prctl" },
	{ ALL, "restart_syscall" },
	{ ALL, "rseq" },
	{ ALL, "rt_sigaction" },
	{ ALL, "rt_sigprocmask" },
	{ ALL, "rt_sigreturn" },
	{ ALL, "sched_getaffinity" },
	{ ALL, "sched_yield" },
	{ ALL, "set_robust_list" },
	{ ALL, "set_tid_address" },
	{ ALL, "sigaltstack" },
	{ ALL, "sysinfo" },
	{ ALL, "tgkill" }, /* raise() */
	{ ALL, "time" },
	{ ALL, "times" },
	{ ALL, "uname" },
	{ BOTH, "capget" }, /* is there what a probe needs? */
	{ BOTH, "getitimer" },
	{ BOTH, "getpriority" },
	{ BOTH, "getrlimit" },
	{ BOTH, "mincore" },
	{ BOTH, "mlock" },
	{ BOTH, "mlock2" },
	{ BOTH, "mlockall" },
	{ BOTH, "msync" },
	{ BOTH, "munlock" },
	{ BOTH, "munlockall" },
	{ BOTH, "pause" },
	{ BOTH, "prlimit64" },
	{ BOTH, "rt_sigpending" },
	{ BOTH, "rt_sigsuspend" },
	{ BOTH, "rt_sigtimedwait" },
	{ BOTH, "sched_get_priority_max" },
	{ BOTH, "sched_get_priority_min" },
	{ BOTH, "sched_getparam" },
	{ BOTH, "sched_getscheduler" },
	{ BOTH, "sched_setscheduler" },
	{ BOTH, "setitimer" },
	{ BOTH, "setpriority" },
	{ BOTH, "wait4" },
	{ BOTH, "waitid" },

	/* descriptors and files */
	{ ALL, "close" },
	{ ALL, "close_range" },
	{ ALL, "dup" },
	{ ALL, "dup2" },
	{ ALL, "dup3" },
	{ ALL, "fcntl" },
	{ ALL, "fstat" },
	{ ALL, "fstatfs" },
	{ ALL, "getdents64" },
	{ ALL, "lseek" },
	{ ALL, "lstat" },
	{ ALL, "newfstatat" },
	{ ALL, "open" },
	{ ALL, "openat" },
	{ ALL, "openat2" },
	{ ALL, "poll" },
	{ ALL, "ppoll" },
	{ ALL, "pread64" },
	{ ALL, "read" },
	{ ALL, "readlink" },
	{ ALL, "readlinkat" },
	{ ALL, "stat" },
	{ ALL, "statx" },
	{ ALL, "write" },
	{ ALL, "writev" },
	{ BOTH, "access" },
	{ BOTH, "chmod" },
	{ BOTH, "copy_file_range" },
	{ BOTH, "epoll_create1" },
	{ BOTH, "epoll_ctl" },
	{ BOTH, "epoll_pwait" },
	{ BOTH, "epoll_pwait2" },
	{ BOTH, "epoll_wait" },
	{ BOTH, "eventfd2" },
	{ BOTH, "faccessat" },
	{ BOTH, "faccessat2" },
	{ BOTH, "fadvise64" },
	{ BOTH, "fallocate" },
	{ BOTH, "fchmod" },
	{ BOTH, "fchmodat" },
	{ BOTH, "fchown" }, /* SQLite, as root */
	{ BOTH, "fdatasync" },
	{ BOTH, "flock" },
	{ BOTH, "fsync" },
	{ BOTH, "ftruncate" },
	{ BOTH, "getcwd" },
	{ BOTH, "inotify_add_watch" },
	{ BOTH, "inotify_init1" },
	{ BOTH, "inotify_rm_watch" },
	{ BOTH, "ioctl" }, /* PAGEMAP_SCAN, PROCMAP_QUERY, FIONBIO, the size of a terminal */
	{ BOTH, "link" },
	{ BOTH, "linkat" },
	{ BOTH, "memfd_create" },
	{ BOTH, "mkdir" },
	{ BOTH, "mkdirat" },
	{ BOTH, "pidfd_open" },
	{ BOTH, "pipe" },
	{ BOTH, "pipe2" },
	{ BOTH, "preadv" },
	{ BOTH, "preadv2" },
	{ BOTH, "pselect6" },
	{ BOTH, "pwrite64" },
	{ BOTH, "pwritev" },
	{ BOTH, "pwritev2" },
	{ BOTH, "readahead" },
	{ BOTH, "readv" },
	{ BOTH, "rename" },
	{ BOTH, "renameat" },
	{ BOTH, "renameat2" },
	{ BOTH, "rmdir" },
	{ BOTH, "select" },
	{ BOTH, "sendfile" },
	{ BOTH, "signalfd4" },
	{ BOTH, "statfs" },
	{ BOTH, "sync_file_range" },
	{ BOTH, "timerfd_create" },
	{ BOTH, "timerfd_gettime" },
	{ BOTH, "timerfd_settime" },
	{ BOTH, "umask" },
	{ BOTH, "unlink" },
	{ BOTH, "unlinkat" },
	{ BOTH, "utime" },
	{ BOTH, "utimensat" },
	{ BOTH, "utimes" },

	/* sockets; which kinds is a rule below */
	{ ALL, "recvmsg" },
	{ ALL, "sendmsg" },
	{ ALL, "sendto" }, /* send() */
	{ ALL, "shutdown" },
	{ BOTH, "accept" },
	{ BOTH, "accept4" },
	{ BOTH, "bind" },
	{ BOTH, "connect" },
	{ BOTH, "getpeername" },
	{ BOTH, "getsockname" },
	{ BOTH, "getsockopt" },
	{ BOTH, "listen" },
	{ BOTH, "recvfrom" },
	{ BOTH, "recvmmsg" },
	{ BOTH, "sendmmsg" },
	{ BOTH, "setsockopt" },
	{ BOTH, "socketpair" },

	/* commands, and what programs of all kinds do; nothing of it changes the machine without rights of its own */
	{ ACT, "alarm" },
	{ ACT, "capset" },
	{ FILTER_SPAWN, "seccomp" },
	{ ACT, "chdir" },
	{ ACT, "chown" },
	{ ACT, "epoll_create" },
	{ ACT, "eventfd" },
	{ ACT, "execve" },
	{ ACT, "execveat" },
	{ ACT, "fchdir" },
	{ ACT, "fchownat" },
	{ ACT, "fgetxattr" },
	{ ACT, "flistxattr" },
	{ ACT, "fork" },
	{ ACT, "futimesat" },
	{ ACT, "getdents" },
	{ ACT, "getgroups" },
	{ ACT, "getpgid" },
	{ ACT, "getresgid" },
	{ ACT, "getresuid" },
	{ ACT, "getsid" },
	{ ACT, "getxattr" },
	{ ACT, "inotify_init" },
	{ ACT, "ioprio_get" },
	{ ACT, "kill" },
	{ ACT, "lchown" },
	{ ACT, "lgetxattr" },
	{ ACT, "listxattr" },
	{ ACT, "llistxattr" },
	{ ACT, "mknod" }, /* a FIFO; devices need a capability */
	{ ACT, "mknodat" },
	{ ACT, "pidfd_send_signal" },
	{ ACT, "rt_sigqueueinfo" },
	{ ACT, "rt_tgsigqueueinfo" },
	{ ACT, "sched_getattr" },
	{ ACT, "sched_setaffinity" },
	{ ACT, "setfsgid" },
	{ ACT, "setfsuid" },
	{ ACT, "setgid" },
	{ ACT, "setgroups" },
	{ ACT, "setpgid" },
	{ ACT, "setregid" },
	{ ACT, "setresgid" },
	{ ACT, "setresuid" },
	{ ACT, "setreuid" },
	{ ACT, "setrlimit" },
	{ ACT, "setsid" },
	{ ACT, "setuid" },
	{ ACT, "signalfd" },
	{ ACT, "splice" },
	{ ACT, "symlink" },
	{ ACT, "symlinkat" },
	{ ACT, "sync" },
	{ ACT, "syncfs" },
	{ ACT, "tee" },
	{ ACT, "timer_create" },
	{ ACT, "timer_delete" },
	{ ACT, "timer_getoverrun" },
	{ ACT, "timer_gettime" },
	{ ACT, "timer_settime" },
	{ ACT, "tkill" },
	{ ACT, "truncate" },
	{ ACT, "vfork" },
	{ ACT, "vmsplice" },

	{ FILTER_BPF, "bpf" },
	{ FILTER_BPF, "perf_event_open" },

#ifdef FILTER_SANITIZED /* the sanitizers' own */
	{ ALL, "clone" },
	{ ALL, "epoll_create1" },
	{ ALL, "ioctl" },
	{ ALL, "kill" },
	{ ALL, "personality" },
	{ ALL, "pipe" },
	{ ALL, "prlimit64" },
	{ ALL, "process_vm_readv" },
	{ ALL, "ptrace" }, /* finding leaks at the end */
	{ ALL, "wait4" },
#endif
};

/* What is tried by habit, and done without. */
static const struct {
	const char *name;
	int os;
} expected[] = {
	{ "clone3", ENOSYS },	       /* the C library falls back to clone(), whose flags can be looked at */
	{ "process_vm_readv", EPERM }, /* memory is read by descriptor then */
	{ "get_mempolicy", EPERM },	{ "set_mempolicy_home_node", EPERM },
	{ "sched_setaffinity", EPERM }, { "setsid", EPERM },
};

/* So that a line can name a call without looking it up in a signal handler. */
static const struct {
	int number;
	const char *name;
} dangerous[] = {
#define CALL(name)                                                                                                     \
	{                                                                                                              \
		__NR_##name, #name                                                                                     \
	}
	CALL(bpf),
	CALL(chroot),
	CALL(clone),
	CALL(connect),
	CALL(delete_module),
	CALL(execve),
	CALL(execveat),
	CALL(finit_module),
	CALL(fork),
	CALL(init_module),
	CALL(io_uring_setup),
	CALL(ioperm),
	CALL(iopl),
	CALL(kcmp),
	CALL(kexec_load),
	CALL(keyctl),
	CALL(kill),
	CALL(memfd_create),
	CALL(mmap),
	CALL(mount),
	CALL(move_pages),
	CALL(name_to_handle_at),
	CALL(open_by_handle_at),
	CALL(perf_event_open),
	CALL(pidfd_getfd),
	CALL(pidfd_send_signal),
	CALL(pivot_root),
	CALL(process_madvise),
	CALL(process_vm_writev),
	CALL(ptrace),
	CALL(quotactl),
	CALL(reboot),
	CALL(setgid),
	CALL(setns),
	CALL(setresuid),
	CALL(setuid),
	CALL(settimeofday),
	CALL(socket),
	CALL(swapon),
	CALL(symlink),
	CALL(syslog),
	CALL(umount2),
	CALL(unshare),
	CALL(userfaultfd),
	CALL(vfork),
#undef CALL
};

/* ---- a refused call ---- */

/* Only what a signal handler may: the line is made on the stack and written. */
static void refused(int sig, siginfo_t *info, void *context)
{
	ucontext_t *c = context;
	char line[96] = "<4>refused system call ";
	size_t n = strlen(line);
	unsigned number = (unsigned)info->si_syscall, power = 1;
	const char *name = "";
	for (size_t i = 0; i < sizeof(dangerous) / sizeof(dangerous[0]); i++) {
		if (dangerous[i].number == info->si_syscall)
			name = dangerous[i].name;
	}
	while (number / power >= 10)
		power *= 10;
	for (; power > 0; power /= 10)
		line[n++] = (char)('0' + number / power % 10);
	if (*name) {
		line[n++] = ' ';
		memcpy(line + n, name, strlen(name));
		n += strlen(name);
	}
	line[n++] = '\n';
#if defined(__x86_64__)
	c->uc_mcontext.gregs[REG_RAX] = -EPERM;
#elif defined(__aarch64__)
	c->uc_mcontext.regs[0] = (unsigned long long)-EPERM;
#endif
	if (write(STDERR_FILENO, line, n) < 0)
		return; /* there is nobody to tell */
}

static struct err *handle_refused(void)
{
	struct sigaction act = { .sa_sigaction = refused, .sa_flags = SA_SIGINFO | SA_NODEFER };
	sigset_t none;
	sigemptyset(&none);
	sigaddset(&none, SIGSYS);
	if (sigaction(SIGSYS, &act, NULL) != 0 || sigprocmask(SIG_UNBLOCK, &none, NULL) != 0)
		return err_os(errno, "handling refused system calls");
	return NULL;
}

/* ---- the filter ---- */

static bool add(scmp_filter_ctx c, uint32_t action, const char *name, unsigned n, const struct scmp_arg_cmp *args)
{
	int call = seccomp_syscall_resolve_name(name);
	return call == __NR_SCMP_ERROR || seccomp_rule_add_array(c, action, call, n, args) == 0;
}

/* No memory is both filled and run by who only looks; no new namespaces; sockets of the kinds there are uses for. */
static bool add_by_argument(scmp_filter_ctx c, unsigned roles)
{
	static const unsigned families[] = { AF_UNIX, AF_INET, AF_INET6, AF_NETLINK };
	const struct scmp_arg_cmp no_code = SCMP_A2(SCMP_CMP_MASKED_EQ, PROT_EXEC, 0);
	bool ok = add(c, SCMP_ACT_ALLOW, "mmap", !(roles & FILTER_ACT), &no_code);
#ifndef FILTER_SANITIZED /* there both are allowed whatever their arguments are */
	const struct scmp_arg_cmp no_namespace = SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_NAMESPACES, 0);
	const struct scmp_arg_cmp ends_it = SCMP_A1(SCMP_CMP_EQ, SIGKILL, 0);
	/* Refused without a signal: the C library holds all of them back around a clone(), and one that is forced kills. */
	ok = ok && (roles & FILTER_OPEN ? add(c, SCMP_ACT_ERRNO(EPERM), "clone", 0, NULL)
					: add(c, SCMP_ACT_ALLOW, "clone", 1, &no_namespace));
	if (roles & FILTER_ANALYSE)
		ok = ok && add(c, SCMP_ACT_ALLOW, "kill", 1, &ends_it);
#endif
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !(roles & FILTER_OPEN); i++) {
		const struct scmp_arg_cmp family = SCMP_A0(SCMP_CMP_EQ, families[i], 0);
		ok = ok && add(c, SCMP_ACT_ALLOW, "socket", 1, &family);
	}
	return ok;
}

static bool add_all(scmp_filter_ctx c, unsigned roles)
{
	bool ok = add_by_argument(c, roles);
	for (size_t i = 0; i < sizeof(allowed) / sizeof(allowed[0]); i++) {
		if (allowed[i].roles & roles)
			ok = ok && add(c, SCMP_ACT_ALLOW, allowed[i].name, 0, NULL);
	}
	for (size_t i = 0; i < sizeof(expected) / sizeof(expected[0]);
	     i++) /* refused where it is also allowed: no rule */
		add(c, SCMP_ACT_ERRNO((uint16_t)expected[i].os), expected[i].name, 0, NULL);
	return ok;
}

static void seccomp_auto(scmp_filter_ctx *c)
{
	seccomp_release(*c);
}

struct err *filter_apply(unsigned roles)
{
	bool act = roles & FILTER_ACT;
	AUTO(seccomp) scmp_filter_ctx c = seccomp_init(act ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_TRAP);
	if (!c)
		return err_nomem();
	if (!act)
		TRY(handle_refused());
	seccomp_attr_set(c, SCMP_FLTATR_CTL_LOG, act);
	seccomp_attr_set(c, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree: the same cost for each call */
	if (seccomp_attr_set(c, SCMP_FLTATR_CTL_TSYNC, 1) != 0 || !add_all(c, roles))
		return err_new(ERR_INTERNAL, "the filter of system calls could not be made");
	int got = seccomp_load(c);
	if (got != 0)
		return err_new(ERR_UNSUPPORTED, "this kernel takes no filter of system calls: %s",
			       strerrordesc_np(-got));
	return NULL;
}
