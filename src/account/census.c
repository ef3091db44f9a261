/* SPDX-License-Identifier: Apache-2.0 */
#include "account/census.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/num.h"
#include "model/account.h"
#include "proc/cgroup.h"
#include "target/target.h"

_Static_assert(CGROUP_UNKNOWN == ACCOUNT_UNKNOWN, "both mean the same");

/* ---- is it Go ---- */

int census_is_go(const struct proc_process *p)
{
	if (p->kernel_thread)
		return 0;
	if (p->exe < 0)
		return -1;
	struct sym_elf elf;
	struct err *err AUTO(err) = sym_elf_open(p->exe, p->comm, &elf);
	if (err)
		return 0;
	int is_go = sym_elf_is_go(&elf); /* -1: only the memory tells; `map` looks there */
	sym_elf_close(&elf);
	return is_go;
}

/* ---- the list ---- */

static void fill_row(struct census *c, struct target *t, struct census_row *row)
{
	const struct gort_module *m = &t->gort.module;
	struct proc_status st = { 0 };
	err_free(proc_status_read(&t->live->process, &st));
	*row = (struct census_row){
		.pid = t->pid,
		.comm = arena_strdup(&c->arena, t->comm),
		.exe = t->exe_path ? arena_strdup(&c->arena, t->exe_path) : NULL,
		.go_version = m->version ? arena_strdup(&c->arena, m->version) : NULL,
		.module = m->main_path ? arena_strdup(&c->arena, m->main_path) : NULL,
		.stripped = t->has_elf && !t->elf.has_symtab,
		.pie = t->has_elf && t->elf.pie,
		.cgo = target_uses_cgo(t),
		.rss = st.vm_rss,
	};
	struct cgroup cg;
	struct err *err AUTO(err) = proc_cgroup_read(&t->live->process, "/proc/self/mountinfo", &c->arena, &cg);
	row->cgroup_usage = row->working_set = row->cgroup_limit = ACCOUNT_UNKNOWN;
	if (err)
		return;
	if (cg.version) {
		row->cgroup_path = cg.path;
		row->cgroup_usage = cg.usage;
		row->working_set = proc_cgroup_working_set(&cg);
		row->cgroup_limit = cg.limit;
	}
	proc_cgroup_deinit(&cg);
}

static void look(struct census *c, const char *procfs, int pid)
{
	struct proc_process p AUTO(proc_process);
	struct err *err AUTO(err) = proc_process_open(procfs, pid, &p);
	if (err || p.kernel_thread || p.state == 'Z')
		return;
	if (p.exe < 0) {
		c->denied += p.exe_errno == EACCES || p.exe_errno == EPERM;
		return;
	}
	if (census_is_go(&p) == 0)
		return;
	struct target t AUTO(target);
	struct err *bad AUTO(err) = target_open(procfs, pid, &t);
	if (bad) {
		c->denied += err_code(bad) == ERR_DENIED;
		return;
	}
	target_identify(&t);
	if (t.is_go)
		fill_row(c, &t, vec_push(&c->rows));
}

static int by_rss(const void *a, const void *b)
{
	const struct census_row *x = a, *y = b;
	return x->rss > y->rss ? -1 : x->rss < y->rss ? 1 : x->pid - y->pid;
}

struct err *engine_census(const char *procfs, struct census *ret)
{
	*ret = (struct census){ 0 };
	arena_init(&ret->arena);
	struct tid_vec pids = { 0 };
	struct err *err = proc_pids(procfs, &pids);
	if (!err && !pids.n)
		err = err_new(ERR_NOT_FOUND, "%s shows no process: is proc mounted there?", procfs);
	for (size_t i = 0; !err && i < pids.n; i++)
		look(ret, procfs, pids.v[i]);
	vec_deinit(&pids);
	if (err) {
		engine_census_free(ret);
		return err;
	}
	vec_sort(&ret->rows, by_rss);
	return NULL;
}

void engine_census_free(struct census *c)
{
	vec_deinit(&c->rows);
	arena_deinit(&c->arena);
}

/* ---- targets by name ---- */

/* Is `want` the cgroup `path`, or a component of it as systemd and container runtimes write them? */
static bool path_names(const char *path, const struct target_name *name)
{
	if (name->cgroup)
		return strcmp(path, name->cgroup) == 0 ||
		       (name->cgroup[0] != '/' && path[0] == '/' && strcmp(path + 1, name->cgroup) == 0);
	const char *want = name->unit ? name->unit : name->container;
	for (const char *p = path; *p;) {
		p += strspn(p, "/");
		size_t len = strcspn(p, "/");
		const char *hit = len ? memmem(p, len, want, strlen(want)) : NULL;
		/* "docker-ID.scope", "cri-containerd:ID", "ID": its start, after what the runtime puts in front */
		if (hit && name->container && (hit == p || hit[-1] == '-' || hit[-1] == ':'))
			return true;
		if (hit == p &&
		    (len == strlen(want) ||
		     (!strchr(want, '.') && strncmp(p + strlen(want), ".service", 8) == 0 && len == strlen(want) + 8)))
			return true;
		p += len;
	}
	return false;
}

static bool matches(const char *procfs, int pid, const struct target_name *name)
{
	struct proc_process p AUTO(proc_process);
	struct err *err AUTO(err) = proc_process_open(procfs, pid, &p);
	if (err || p.kernel_thread || p.state == 'Z')
		return false;
	if (name->comm)
		return strcmp(p.comm, name->comm) == 0;
	struct arena arena;
	arena_init(&arena);
	struct cgroup cg;
	struct err *bad AUTO(err) = proc_cgroup_read(&p, "/proc/self/mountinfo", &arena, &cg);
	bool match = !bad && cg.version && path_names(cg.path, name);
	if (!bad)
		proc_cgroup_deinit(&cg);
	arena_deinit(&arena);
	return match;
}

struct err *engine_target_find(const char *procfs, const struct target_name *name, struct pid_vec *ret)
{
	if (name->pid > 0) {
		*vec_push(ret) = name->pid;
		return NULL;
	}
	struct tid_vec pids = { 0 };
	struct err *err = proc_pids(procfs, &pids);
	for (size_t i = 0; !err && i < pids.n; i++) {
		if (pids.v[i] != getpid() && matches(procfs, pids.v[i], name))
			*vec_push(ret) = pids.v[i];
	}
	vec_deinit(&pids);
	if (err || ret->n)
		return err;
	if (name->comm)
		return err_new(ERR_NOT_FOUND, "no process is named \"%s\"", name->comm);
	if (name->cgroup)
		return err_new(ERR_NOT_FOUND, "no process is in the cgroup \"%s\"", name->cgroup);
	if (name->unit)
		return err_new(ERR_NOT_FOUND, "no process is in the unit \"%s\"", name->unit);
	return err_new(ERR_NOT_FOUND, "no process is in the container \"%s\"", name->container);
}
