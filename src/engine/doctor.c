/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/doctor.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>

#include "base/num.h"
#include "ebpf/ebpf.h"
#include "engine/doctor_rows.h"
#include "engine/evidence.h"
#include "model/account.h"
#include "proc/cgroup.h"
#include "target/target.h"

void doctor_row(struct doctor *d, const char *check, enum doctor_result result, const char *found, const char *remedy)
{
	*vec_push(&d->rows) = (struct doctor_row){ check, result, found, remedy };
}

/* ---- the machine ---- */

static void read_line(const char *path, char *buf, size_t len)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, len - 1);
	buf[n > 0 ? n : 0] = 0;
	buf[strcspn(buf, "\n")] = 0;
}

static void check_kernel(struct doctor *d)
{
	struct utsname u;
	uname(&u);
	bool amd64 = strcmp(u.machine, "x86_64") == 0;
	doctor_row(d, "kernel", amd64 ? DOCTOR_OK : DOCTOR_MISSING,
		   arena_printf(&d->arena, "Linux %s on %s", u.release, u.machine),
		   amd64 ? NULL : "only linux/amd64 is supported; there are no tables for this machine yet");
}

/* Effective capabilities of this process, as a mask. */
static uint64_t capabilities(void)
{
	char buf[4096];
	AUTO_CLOSE int fd = open("/proc/self/status", O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, buf, sizeof(buf) - 1);
	buf[n > 0 ? n : 0] = 0;
	const char *at = strstr(buf, "\nCapEff:\t");
	uint64_t mask = 0;
	if (at)
		num_hex(at + 9, strspn(at + 9, "0123456789abcdef"), &mask);
	return mask;
}

static void check_capabilities(struct doctor *d)
{
	static const struct {
		unsigned bit;
		const char *name, *what;
	} table[] = {
		{ 19, "CAP_SYS_PTRACE", "the memory of other users' processes cannot be read" },
		{ 2, "CAP_DAC_READ_SEARCH", "pagemap and environment of other users' processes cannot be opened" },
		{ 21, "CAP_SYS_ADMIN",
		  "zero pages cannot be told from resident ones before Linux 6.7, and of sockets in another network "
		  "namespace not how much memory they hold" },
	};
	uint64_t have = capabilities();
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		bool ok = have >> table[i].bit & 1;
		doctor_row(d, table[i].name, ok ? DOCTOR_OK : DOCTOR_DEGRADED, ok ? "held" : table[i].what,
			   ok ? NULL
			      : arena_printf(&d->arena, "run as root, or: setcap %s=ep /path/to/ullage",
					     i == 0   ? "cap_sys_ptrace"
					     : i == 1 ? "cap_dac_read_search"
						      : "cap_sys_admin"));
	}
	char scope[32];
	read_line("/proc/sys/kernel/yama/ptrace_scope", scope, sizeof(scope));
	if (*scope && strcmp(scope, "0") != 0 && !(have >> 19 & 1))
		doctor_row(d, "yama", DOCTOR_MISSING, arena_printf(&d->arena, "kernel.yama.ptrace_scope is %s", scope),
			   "sysctl kernel.yama.ptrace_scope=0, or CAP_SYS_PTRACE");
}

/* What `record` needs; everything else works without. */
static void check_probes(struct doctor *d)
{
	struct ebpf_rows rows;
	ebpf_doctor(&rows);
	for (size_t i = 0; i < rows.n; i++)
		doctor_row(d, rows.v[i].check, rows.v[i].ok ? DOCTOR_OK : DOCTOR_DEGRADED,
			   arena_strdup(&d->arena, rows.v[i].found), rows.v[i].remedy);
}

/* ---- the target ---- */

static void check_memory(struct doctor *d, const struct target *t)
{
	doctor_row(d, "mappings", DOCTOR_OK, arena_printf(&d->arena, "%zu", t->maps.n), NULL);
	if (!t->has_pages) {
		doctor_row(d, "page map", DOCTOR_MISSING, arena_strdup(&d->arena, err_text(t->mem_err)),
			   "without it classes are those of whole mappings; CAP_DAC_READ_SEARCH (or root) opens it");
		return;
	}
	if (t->live->pagemap.scan)
		doctor_row(d, "page map", DOCTOR_OK, "by PAGEMAP_SCAN", NULL);
	else
		doctor_row(d, "page map", t->live->pagemap.zero_known ? DOCTOR_OK : DOCTOR_DEGRADED,
			   "by /proc/PID/pagemap entries",
			   t->live->pagemap.zero_known
				   ? NULL
				   : "zero pages count as resident: CAP_SYS_ADMIN, or Linux 6.7 or newer");
	doctor_row(d, "memory", t->mem ? DOCTOR_OK : DOCTOR_MISSING,
		   t->mem ? "readable" : arena_strdup(&d->arena, err_text(t->mem_err)),
		   t->mem ? NULL : "CAP_SYS_PTRACE, or the target's own user with yama ptrace_scope 0");
	doctor_row(d, "executable", t->has_elf ? DOCTOR_OK : DOCTOR_DEGRADED,
		   t->has_elf ? (t->elf.has_symtab ? "readable, with symbols" : "readable, stripped")
			      : "not readable as ELF",
		   NULL);
}

static void check_layout(struct doctor *d, const struct target *t)
{
	if (!t->is_go) {
		doctor_row(d, "go", DOCTOR_DEGRADED,
			   "not a Go process: the account has the classes that apply to any process", NULL);
		return;
	}
	const struct gort *g = &t->gort;
	doctor_row(d, "go", DOCTOR_OK,
		   arena_strdup(&d->arena, g->module.version ? g->module.version : "version unknown"), NULL);
	if (!g->layout)
		doctor_row(d, "go layout", DOCTOR_MISSING, arena_strdup(&d->arena, g->refusal ? g->refusal : "unknown"),
			   "use a newer ullage; mappings, files, C memory and cgroup are still accounted");
	else
		doctor_row(d, "go layout", g->unproven ? DOCTOR_DEGRADED : DOCTOR_OK,
			   arena_printf(&d->arena, "go1.%d %s", g->layout->minor, g->layout->experiment),
			   g->unproven ? "a neighbour's table passed the self-checks; treat figures with care" : NULL);
	for (size_t i = 0; i < g->nchecks; i++)
		doctor_row(d, "self-check", g->checks[i].ok ? DOCTOR_OK : DOCTOR_MISSING,
			   arena_printf(&d->arena, "%s: %s", g->checks[i].check, g->checks[i].found), NULL);
	for (int v = 0; g->layout && v < GORT_VAR_MAX_; v++) {
		bool found = g->globals.addr[v];
		if (v == GORT_VAR_GCCLEANUPS && !gort_has(g->layout, GORT_cleanupQueue_all))
			continue; /* this version has none */
		doctor_row(d, "variable", found ? DOCTOR_OK : DOCTOR_DEGRADED,
			   found ? arena_printf(&d->arena, "%s at 0x%llx, %u ways agree", gort_global_names[v],
						(unsigned long long)g->globals.addr[v], g->globals.agree[v])
				 : arena_printf(&d->arena, "%s was not found", gort_global_names[v]),
			   NULL);
	}
}

/* What the runtime keeps of its own allocations: without it `heap` has no allocation sites. */
static void check_profile(struct doctor *d, struct target *t)
{
	if (!t->is_go || !t->gort.layout)
		return;
	struct snapshot s AUTO(snapshot);
	snapshot_init(&s);
	struct err *err AUTO(err) = evidence_heap(t, &(struct evidence_options){ .parts = SNAPSHOT_HEAP }, &s);
	if (err)
		doctor_row(d, "heap profile", DOCTOR_DEGRADED, arena_strdup(&d->arena, err_text(err)), NULL);
	else if (s.heap.enabled)
		doctor_row(d, "heap profile", DOCTOR_OK,
			   arena_printf(&d->arena, "%llu buckets, one sample in %llu bytes",
					(unsigned long long)s.heap.buckets, (unsigned long long)s.heap.rate),
			   NULL);
	else
		doctor_row(d, "heap profile", DOCTOR_DEGRADED,
			   arena_strdup(&d->arena, s.heap.reason ? s.heap.reason : "off"),
			   "import net/http/pprof or runtime/pprof in the program; the census by size class works "
			   "without");
}

static void check_cgroup(struct doctor *d, const struct target *t)
{
	struct cgroup cg;
	struct err *err AUTO(err) = proc_cgroup_read(&t->live->process, "/proc/self/mountinfo", &d->arena, &cg);
	if (err || !cg.version) {
		doctor_row(d, "cgroup", DOCTOR_DEGRADED,
			   err ? arena_strdup(&d->arena, err_text(err)) : "no memory cgroup visible",
			   "mount the cgroup filesystem of the host (in a container: hostPath /sys/fs/cgroup)");
		if (!err)
			proc_cgroup_deinit(&cg);
		return;
	}
	doctor_row(d, "cgroup", cg.dir ? DOCTOR_OK : DOCTOR_DEGRADED,
		   arena_printf(&d->arena, "v%u %s%s", cg.version, cg.path,
				cg.dir ? "" : ", its files are not visible from here"),
		   cg.dir ? NULL : "mount the cgroup filesystem of the host");
	proc_cgroup_deinit(&cg);
}

static void check_namespaces(struct doctor *d, const struct target *t)
{
	static const struct {
		const char *name, *other;
	} spaces[] = {
		{ "ns/pid", "another one; read through procfs" },
		{ "ns/mnt", "another one; read through procfs" },
		{ "ns/user", "another one; read through procfs" },
		{ "ns/net", "another one; its sockets are asked for there, which takes CAP_SYS_ADMIN" },
	};
	struct proc_process self AUTO(proc_process);
	struct err *err AUTO(err) = proc_process_open(t->live->procfs, getpid(), &self);
	for (size_t i = 0; !err && i < sizeof(spaces) / sizeof(spaces[0]); i++) {
		char *ours = NULL, *theirs = NULL;
		struct err *a AUTO(err) = proc_process_link(&self, spaces[i].name, &d->arena, &ours);
		struct err *b AUTO(err) = proc_process_link(&t->live->process, spaces[i].name, &d->arena, &theirs);
		if (a || b)
			continue;
		doctor_row(d, spaces[i].name, DOCTOR_OK,
			   strcmp(ours, theirs) == 0 ? "the same as ours" : spaces[i].other, NULL);
	}
}

static struct err *check_target(struct doctor *d, const char *procfs, int pid)
{
	struct target t;
	struct err *err = target_open(procfs, pid, &t);
	if (err && err_code(err) == ERR_DENIED) {
		doctor_row(d, "mappings", DOCTOR_MISSING, arena_strdup(&d->arena, err_text(err)),
			   "run as root, or: setcap cap_sys_ptrace,cap_dac_read_search=ep /path/to/ullage");
		err_free(err);
		return NULL;
	}
	if (err)
		return err;
	err = target_attach(&t, NULL);
	if (!err) {
		check_memory(d, &t);
		check_namespaces(d, &t);
		check_layout(d, &t);
		check_profile(d, &t);
		check_cgroup(d, &t);
	}
	target_close(&t);
	return err;
}

struct err *engine_doctor(const char *procfs, int pid, const char *data, struct doctor *ret)
{
	*ret = (struct doctor){ 0 };
	arena_init(&ret->arena);
	check_kernel(ret);
	check_capabilities(ret);
	check_probes(ret);
	struct err *err = pid > 0 ? check_target(ret, procfs, pid) : NULL;
	if (err)
		engine_doctor_free(ret);
	else
		doctor_watch(ret, procfs, pid > 0 ? pid : getpid(), data);
	return err;
}

void engine_doctor_free(struct doctor *d)
{
	vec_deinit(&d->rows);
	arena_deinit(&d->arena);
}
