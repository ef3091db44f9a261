/* SPDX-License-Identifier: Apache-2.0 */
#include "record/members.h"

#include <string.h>
#include <unistd.h>

#include "record/process.h"

/* The directory of the cgroup that was asked for: that of the process, or one above. */
static const char *dir_above(struct record_members *m, const char *asked)
{
	const char *own = m->cgroup.own_path, *dir = m->cgroup.dir;
	size_t len = strlen(asked);
	while (len > 1 && asked[len - 1] == '/')
		len--;
	if (!own || strncmp(own, asked, len) != 0 || (own[len] && own[len] != '/'))
		return dir;
	size_t below = strlen(own) - len, dir_len = strlen(dir);
	if (below >= dir_len || strcmp(dir + dir_len - below, own + len) != 0)
		return dir;
	return arena_strndup(&m->arena, dir, dir_len - below);
}

void record_members_init(struct record_members *m, struct record_watch *w)
{
	arena_init(&m->arena);
	if (!w->opt->cgroup || !w->targets.n)
		return;
	const struct proc_process *p = &w->targets.v[0]->t.live->process;
	struct err *err AUTO(err) = proc_cgroup_read(p, "/proc/self/mountinfo", &m->arena, &m->cgroup);
	m->known = !err && m->cgroup.dir;
	if (m->known)
		m->cgroup.dir = dir_above(m, w->opt->cgroup);
	else
		record_note(w->r, "processes that come into the cgroup are seen only when one of it makes them");
}

void record_members_deinit(struct record_members *m)
{
	proc_cgroup_deinit(&m->cgroup);
	arena_deinit(&m->arena);
}

void record_members_look(struct record_members *m, struct record_watch *w)
{
	if (!m->known)
		return;
	m->cgroup.pids.n = 0;
	proc_cgroup_pids(&m->cgroup);
	for (size_t i = 0; i < m->cgroup.pids.n; i++) {
		if (m->cgroup.pids.v[i] == getpid())
			continue;
		err_free(record_process_add(w, m->cgroup.pids.v[i]));
	}
}
