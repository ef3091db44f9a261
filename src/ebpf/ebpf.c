/* SPDX-License-Identifier: Apache-2.0 */
#include "ebpf/ebpf.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdarg.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include <bpf/bpf.h>

#include "base/alloc.h"
#include "base/num.h"
#include "base/parallel.h"
#include "ebpf/session.h"
#include <probes.skel.h>

/* ---- refusals ---- */

static uint64_t capabilities(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };
	if (syscall(SYS_capget, &header, data))
		return 0;
	return (uint64_t)data[1].effective << 32 | data[0].effective;
}

/* Is the kernel locked down so far that no probe may read memory? */
static bool confidential(void)
{
	char text[128] = "";
	AUTO_CLOSE int fd = open("/sys/kernel/security/lockdown", O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, text, sizeof(text) - 1) > 0 && strstr(text, "[confidentiality]");
}

struct err *ebpf_refused(int os, const char *what)
{
	uint64_t have = capabilities();
	bool admin = have >> CAP_SYS_ADMIN & 1;
	if (os != EPERM && os != EACCES)
		return err_os(os, "%s", what);
	if (!admin && !(have >> CAP_BPF & 1))
		return err_new(ERR_DENIED,
			       "%s: CAP_BPF is missing (run as root, or: setcap "
			       "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep /path/to/ullage)",
			       what);
	if (!admin && !(have >> CAP_PERFMON & 1))
		return err_new(ERR_DENIED,
			       "%s: CAP_PERFMON is missing (run as root, or: setcap "
			       "cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search=ep /path/to/ullage)",
			       what);
	if (confidential())
		return err_new(ERR_DENIED,
			       "%s: the kernel is locked down (lockdown=confidentiality in "
			       "/sys/kernel/security/lockdown), which forbids probes to everybody",
			       what);
	return err_new(ERR_DENIED, "%s: %s, although CAP_BPF and CAP_PERFMON are held: %s", what, strerrordesc_np(os),
		       admin ? "a security module or a seccomp filter forbids it"
			     : "this kernel asks for CAP_SYS_ADMIN besides, or a security module forbids it");
}

/* ---- loading ---- */

static int no_print(enum libbpf_print_level level, const char *fmt, va_list args)
{
	return 0;
}

/* Many uprobes by one link: since 6.6, and since 6.10 for all threads of the process that is meant. */
static bool has_multi(void)
{
	struct utsname u;
	uint64_t major = 0, minor = 0;
	if (uname(&u))
		return false;
	size_t dot = strcspn(u.release, ".");
	if (!num_dec(u.release, dot, &major) || !u.release[dot])
		return false;
	const char *second = u.release + dot + 1;
	num_dec(second, strspn(second, "0123456789"), &minor);
	return major > 6 || (major == 6 && minor >= 10);
}

static size_t ring_size(size_t wanted)
{
	size_t size = (size_t)getpagesize();
	if (!wanted)
		wanted = EBPF_RING_BYTES;
	while (size < wanted && size < EBPF_RING_BYTES_MAX)
		size *= 2;
	return size;
}

static void choose_programs(struct ebpf *e)
{
	struct probes *s = e->skel;
	bool map = e->wanted & EBPF_WANT_MAP, fault = e->wanted & EBPF_WANT_FAULT;
	bool alloc = e->wanted & (EBPF_WANT_ALLOC | EBPF_WANT_GOALLOC);
	const struct {
		struct bpf_program *program;
		bool wanted;
	} table[] = {
		{ s->progs.classic_enter, map }, { s->progs.classic_exit, map },   { s->progs.every_enter, map },
		{ s->progs.every_exit, map },	 { s->progs.fault_user, fault },   { s->progs.fault_kernel, fault },
		{ s->progs.alloc_entry, alloc }, { s->progs.alloc_return, alloc },
	};
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++)
		bpf_program__set_autoload(table[i].program, table[i].wanted);
	if (!e->multi)
		return;
	const enum bpf_attach_type multi =
		(enum bpf_attach_type)48; /* BPF_TRACE_UPROBE_MULTI, which older headers lack */
	bpf_program__set_expected_attach_type(s->progs.alloc_entry, multi);
	bpf_program__set_expected_attach_type(s->progs.alloc_return, multi);
}

static struct err *load(struct ebpf *e)
{
	int cpus = libbpf_num_possible_cpus();
	if (cpus < 1)
		return err_new(ERR_UNSUPPORTED, "the number of processors cannot be read in /sys");
	e->skel = ebpf_skeleton_open();
	if (!e->skel)
		return err_os(errno, "opening the probes");
	choose_programs(e);
	uint32_t n_slots = (uint32_t)cpus * EBPF_SLOTS_PER_CPU;
	bpf_map__set_max_entries(e->skel->maps.slots, n_slots);
	bpf_map__set_max_entries(e->skel->maps.ring, (uint32_t)e->ring_bytes);
	bpf_map__set_max_entries(e->skel->maps.bulk, (uint32_t)e->ring_bytes);
	int failed = probes__load(e->skel);
	if (failed && access("/sys/kernel/btf/vmlinux", F_OK))
		return err_new(ERR_UNSUPPORTED,
			       "this kernel has no BTF (/sys/kernel/btf/vmlinux, CONFIG_DEBUG_INFO_BTF), "
			       "which probes need; all but `record` works");
	if (failed)
		return ebpf_refused(-failed, "loading the probes into the kernel");
	e->skel->bss->session.n_slots = n_slots;
	e->skel->bss->session.wake_bytes = (uint32_t)(e->ring_bytes / 4);
	return NULL;
}

/* Which numbers processes have where we are: told by a program that runs once, here. */
static struct err *locate(struct ebpf *e)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	int failed = bpf_prog_test_run_opts(bpf_program__fd(e->skel->progs.locate), &opts);
	if (failed)
		return ebpf_refused(-failed, "running a probe");
	if (opts.retval)
		return err_new(ERR_UNSUPPORTED, "the pid namespace of this process cannot be told");
	return NULL;
}

struct err *ebpf_open(const struct ebpf_options *opt, struct ebpf **ret)
{
	*ret = NULL;
	libbpf_set_print(no_print);
	struct ebpf *e = xcalloc(1, sizeof(*e));
	e->wanted = opt->wanted;
	e->multi = has_multi() && !(opt->wanted & EBPF_WANT_OLD);
	e->ring_bytes = ring_size(opt->ring_bytes);
	struct err *err = load(e);
	if (!err)
		err = locate(e);
	if (!err)
		err = ebpf_rings_open(e);
	if (err) {
		ebpf_close(e);
		return err;
	}
	*ret = e;
	return NULL;
}

static void destroy(void *ctx, size_t i, unsigned worker)
{
	struct ebpf_links *links = ctx;
	bpf_link__destroy(links->v[links->n - 1 - i]);
}

/*
 * The last one first. The kernel waits for tens of milliseconds at each, and what another link probes is trapped all that
 * while: so several at once.
 */
void ebpf_links_destroy(struct ebpf_links *links)
{
	parallel_for(links->n, destroy, links);
	vec_deinit(links);
}

void ebpf_close(struct ebpf *e)
{
	if (!e)
		return;
	ebpf_targets_drop(e);
	ebpf_links_destroy(&e->links);
	ring_buffer__free(e->rings);
	probes__destroy(e->skel);
	free(e);
}

/* ---- processes ---- */

struct err *ebpf_process_add(struct ebpf *e, int pid, const struct ebpf_process *p)
{
	uint32_t key = (uint32_t)pid;
	struct ebpf_watched value = { 0 };
	int fd = bpf_map__fd(e->skel->maps.processes);
	bpf_map_lookup_elem(fd, &key, &value); /* what was lost before stays counted */
	value.process = *p;
	value.ended = 0;
	if (bpf_map_update_elem(fd, &key, &value, BPF_ANY) == 0)
		return NULL;
	if (errno == E2BIG)
		return err_new(ERR_LIMIT, "no more than %d processes can be watched at a time", EBPF_PROCESSES_MAX);
	return err_os(errno, "watching process %d", pid);
}

void ebpf_process_remove(struct ebpf *e, int pid)
{
	uint32_t key = (uint32_t)pid;
	bpf_map_delete_elem(bpf_map__fd(e->skel->maps.processes), &key);
}

uint64_t ebpf_process_lost(struct ebpf *e, int pid)
{
	uint32_t key = (uint32_t)pid;
	struct ebpf_watched value = { 0 };
	bpf_map_lookup_elem(bpf_map__fd(e->skel->maps.processes), &key, &value);
	return value.lost;
}

/* ---- counters ---- */

uint64_t ebpf_now(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t misses(const struct ebpf *e)
{
	uint64_t sum = 0;
	struct bpf_program *p;
	bpf_object__for_each_program (p, e->skel->obj) {
		if (p == e->skel->progs.fault_kernel)
			continue; /* its own reads of what is not there: no fault that counts */
		struct bpf_prog_info info = { 0 };
		uint32_t len = sizeof(info);
		if (bpf_program__fd(p) >= 0 && !bpf_prog_get_info_by_fd(bpf_program__fd(p), &info, &len))
			sum += info.recursion_misses;
	}
	return sum;
}

void ebpf_stats(struct ebpf *e, struct ebpf_stats *ret)
{
	int cpus = libbpf_num_possible_cpus();
	*ret = (struct ebpf_stats){ .unfinished = e->unfinished, .refused = e->refused, .missed = misses(e) };
	AUTO_FREE struct ebpf_counters *all = xcalloc((size_t)cpus, sizeof(*all));
	uint32_t zero = 0;
	if (bpf_map_lookup_elem(bpf_map__fd(e->skel->maps.counters), &zero, all))
		return;
	for (int i = 0; i < cpus; i++) {
		for (int k = 0; k < EBPF_KIND_MAX_; k++) {
			ret->hits[k] += all[i].hits[k];
			ret->lost_of[k] += all[i].lost[k];
			ret->lost += all[i].lost[k];
		}
		ret->unfinished += all[i].unpaired;
		ret->program_ns += all[i].program_ns;
	}
}
