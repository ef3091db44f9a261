/* SPDX-License-Identifier: Apache-2.0 */
#include "engine/evidence.h"

#include <stdlib.h>
#include <string.h>

#include "base/intern.h"
#include "proc/cgleft.h"
#include "proc/fds.h"
#include "proc/sockdiag.h"
#include "target/target.h"

enum { CGROUPS_LISTED_MAX = 1000 };

/* What is read, before it is added up. Strings are in the arena of `out`. */
struct reading {
	struct proc_process *process;
	struct snapshot *snapshot;
	struct fds *out;
	struct proc_fds fds;
	struct hash_map sockets; /* inode of a socket descriptor -> 1 */
	struct proc_sockets known;
	bool memory_known;	/* of one socket at least */
	struct intern words;	/* keys of kinds and sockets */
	struct hash_map kinds;	/* word -> index + 1 in out->kinds */
	struct hash_map groups; /* word -> index + 1 in out->sockets */
};

static uint64_t key_of(const char *word)
{
	return (uint64_t)(uintptr_t)word;
}

static void count_kind(struct reading *r, const char *kind)
{
	bool fresh = false;
	const char *word = intern_str(&r->words, kind);
	uint64_t *at = hash_map_at(&r->kinds, key_of(word), &fresh);
	if (fresh) {
		vec_push(&r->out->kinds)->kind = arena_strdup(&r->out->arena, kind);
		*at = r->out->kinds.n;
	}
	r->out->kinds.v[*at - 1].count++;
}

/* ---- sockets ---- */

/* The group of a socket: by peer, and without one by what it is bound to. */
static struct fd_socket *group_of(struct reading *r, const struct proc_socket *s)
{
	bool fresh = false;
	AUTO_FREE char *key = xasprintf("%s\n%s\n%c%s", s->protocol, s->state, s->peer ? 'p' : 'l',
					s->peer	   ? s->peer
					: s->local ? s->local
						   : "");
	uint64_t *at = hash_map_at(&r->groups, key_of(intern_str(&r->words, key)), &fresh);
	if (fresh) {
		*vec_push(&r->out->sockets) = (struct fd_socket){
			.protocol = arena_strdup(&r->out->arena, s->protocol),
			.peer = s->peer ? s->peer : "-",
			.local = s->local,
			.state = s->state,
		};
		*at = r->out->sockets.n;
	}
	return &r->out->sockets.v[*at - 1];
}

/* Unknown is one whose part is. */
static void add(uint64_t *sum, uint64_t part)
{
	*sum = *sum == ACCOUNT_UNKNOWN || part == PROC_SOCKET_UNKNOWN ? ACCOUNT_UNKNOWN : *sum + part;
}

static void count_socket(struct reading *r, const struct proc_socket *s)
{
	struct fd_socket *g = group_of(r, s);
	if (g->local && (!s->local || strcmp(g->local, s->local) != 0))
		g->local = NULL;
	g->count++;
	add(&g->rx_queue, s->rx);
	add(&g->tx_queue, s->tx);
	add(&g->skmem, s->memory);
	if (s->memory != PROC_SOCKET_UNKNOWN) {
		r->out->socket_kernel += s->memory;
		r->memory_known = true;
	}
}

/* One that the kernel's lists do not have: its protocol is all there is. */
static void count_unknown(struct reading *r, const struct proc_fd *fd, struct fd_row *row)
{
	char protocol[PROC_PROTOCOL_LEN];
	proc_socket_protocol(r->process, fd->fd, protocol);
	row->kind = arena_strdup(&r->out->arena, protocol);
	row->what = fd->link;
	uint64_t *state = hash_map_get(&r->sockets, fd->inode);
	if (*state == 2) /* another descriptor of it was counted */
		return;
	*state = 2;
	r->out->sockets_unknown++;
	struct proc_socket none = { .protocol = row->kind,
				    .state = "unknown",
				    .rx = PROC_SOCKET_UNKNOWN,
				    .tx = PROC_SOCKET_UNKNOWN,
				    .memory = PROC_SOCKET_UNKNOWN };
	count_socket(r, &none);
}

static void describe_socket(struct reading *r, const struct proc_fd *fd, struct fd_row *row)
{
	const uint64_t *at = hash_map_get(&r->known.found, fd->inode);
	if (!at) {
		count_unknown(r, fd, row);
		return;
	}
	const struct proc_socket *s = &r->known.v.v[*at - 1];
	const char *end = s->peer ? s->peer : s->local;
	row->kind = s->protocol;
	row->what = arena_printf(&r->out->arena, "%s %s %s", s->protocol, end ? end : "-", s->state);
}

static struct err *read_sockets(struct reading *r)
{
	for (size_t i = 0; i < r->fds.v.n; i++) {
		if (strcmp(r->fds.v.v[i].kind, "socket") == 0)
			*hash_map_at(&r->sockets, r->fds.v.v[i].inode, NULL) = 1;
	}
	if (!r->sockets.n)
		return NULL;
	struct err *err = proc_sockets_read(r->process, &r->known);
	if (err && err_code(err) == ERR_GONE)
		return err;
	if (err)
		snapshot_note(r->snapshot, "peers and memory of sockets are unknown: %s", err_text(err));
	else if (r->known.reason)
		snapshot_note(r->snapshot, "the memory of its sockets is unknown: %s", r->known.reason);
	err_free(err);
	for (size_t i = 0; i < r->known.v.n; i++)
		count_socket(r, &r->known.v.v[i]);
	return NULL;
}

/* ---- descriptors ---- */

static struct err *watched(struct reading *r, const struct proc_fd *fd)
{
	uint64_t n = 0;
	struct err *err = proc_epoll_watched(r->process, fd->fd, &n);
	if (err && err_code(err) == ERR_GONE)
		return err;
	if (!err)
		*vec_push(&r->out->epolls) = (struct fd_epoll){ fd->fd, n };
	err_free(err); /* closed meanwhile */
	return NULL;
}

static struct err *describe(struct reading *r)
{
	for (size_t i = 0; i < r->fds.v.n; i++) {
		const struct proc_fd *fd = &r->fds.v.v[i];
		struct fd_row *row = vec_push(&r->out->rows);
		*row = (struct fd_row){ fd->fd, fd->kind, fd->link, fd->inode };
		if (strcmp(fd->kind, "socket") == 0)
			describe_socket(r, fd, row);
		else if (strcmp(fd->kind, "epoll") == 0)
			TRY(watched(r, fd));
		count_kind(r, row->kind);
	}
	return NULL;
}

static int by_fd(const void *a, const void *b)
{
	const struct proc_fd *x = a, *y = b;
	return x->fd < y->fd ? -1 : x->fd > y->fd;
}

static int by_kind(const void *a, const void *b)
{
	const struct fd_kind *x = a, *y = b;
	return x->count != y->count ? (x->count < y->count ? 1 : -1) : strcmp(x->kind, y->kind);
}

static int by_count(const void *a, const void *b)
{
	const struct fd_socket *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	if (x->skmem != y->skmem)
		return x->skmem < y->skmem ? 1 : -1;
	int peer = strcmp(x->peer, y->peer);
	return peer ? peer : strcmp(x->state, y->state);
}

static int by_watched(const void *a, const void *b)
{
	const struct fd_epoll *x = a, *y = b;
	return x->watched != y->watched ? (x->watched < y->watched ? 1 : -1) : x->fd - y->fd;
}

/* ---- cgroups ---- */

static int by_charge(const void *a, const void *b)
{
	const struct fd_cgroup *x = a, *y = b;
	if (x->charged != y->charged)
		return x->charged < y->charged ? 1 : -1;
	return strcmp(x->path, y->path);
}

static void note_cgroups(struct snapshot *s, const struct proc_cgleft *left)
{
	if (left->by_age && left->v.n)
		snapshot_note(s, "of the cgroups without processes that are beside its own, or anywhere below the "
				 "root where it lives in that, those count that its user made since it started, "
				 "whoever that was");
	if (left->cut)
		snapshot_note(s, "there are more than %d cgroups below its own; the rest was not looked at",
			      PROC_CGLEFT_MAX);
	if (left->hidden && !left->roots)
		snapshot_note(s, "cgroups left behind are unknown: cgroup v1 does not show processes of other pid "
				 "namespaces, and this is not the machine's");
}

static struct err *read_cgroups(struct reading *r)
{
	struct proc_cgleft left;
	struct fds *out = r->out;
	struct err *err = proc_cgleft_read(r->process, "/proc/self/mountinfo", &r->fds, &out->arena, &left);
	if (err && err_code(err) != ERR_GONE) {
		snapshot_note(r->snapshot, "cgroups left behind are unknown: %s", err_text(err));
		err_free(err);
		err = NULL;
	}
	for (size_t i = 0; i < left.v.n; i++) {
		const struct proc_cgleft_one *one = &left.v.v[i];
		*vec_push(&out->cgroups) = (struct fd_cgroup){ one->path, one->age_ns, one->charged };
		if (one->age_ns > out->cgroups_oldest_ns)
			out->cgroups_oldest_ns = one->age_ns;
	}
	out->cgroups_left = left.v.n;
	out->cgroups_charged = left.charged;
	out->cgroups_dying = left.dying;
	note_cgroups(r->snapshot, &left);
	vec_deinit(&left.v);
	vec_sort(&out->cgroups, by_charge);
	if (out->cgroups.n > CGROUPS_LISTED_MAX)
		out->cgroups.n = CGROUPS_LISTED_MAX;
	return err;
}

/* ---- all of it ---- */

static void note_sockets(struct reading *r)
{
	const struct fds *out = r->out;
	if (out->sockets_unknown)
		snapshot_note(r->snapshot,
			      "%llu of its sockets are in no list of its network namespace: not bound and not "
			      "connected, or made in another namespace; their state and memory are unknown",
			      (unsigned long long)out->sockets_unknown);
	if (out->total > out->rows.n)
		snapshot_note(r->snapshot, "the first %zu descriptors are told apart; the others are only counted",
			      out->rows.n);
}

static struct err *read_all(struct reading *r)
{
	struct fds *out = r->out;
	TRY(proc_fds_read(r->process, &out->arena, &r->fds));
	vec_sort(&r->fds.v, by_fd);
	out->total = r->fds.total;
	out->deleted_bytes = r->fds.deleted_bytes;
	out->deleted_files = r->fds.deleted_files;
	out->memfd_bytes = r->fds.memfd_bytes;
	out->memfds = r->fds.memfds;
	struct err *no_limit = proc_limit_files(r->process, &out->limit);
	if (no_limit)
		snapshot_note(r->snapshot, "the limit of descriptors is unknown: %s", err_text(no_limit));
	err_free(no_limit);
	TRY(read_sockets(r));
	TRY(describe(r));
	if (r->sockets.n && !r->memory_known)
		out->socket_kernel = ACCOUNT_UNKNOWN;
	note_sockets(r);
	return read_cgroups(r);
}

struct err *evidence_fds(struct target *t, const struct evidence_options *opt, struct snapshot *s)
{
	if (!t->live)
		return err_new(ERR_UNSUPPORTED,
			       "a core does not have the table of descriptors: only the kernel knows it, "
			       "while the process lives");
	struct reading r = { .process = &t->live->process, .snapshot = s, .out = &s->fds };
	intern_init(&r.words);
	proc_sockets_init(&r.known, &s->fds.arena, &r.sockets);
	struct err *err = read_all(&r);
	vec_sort(&s->fds.kinds, by_kind);
	vec_sort(&s->fds.sockets, by_count);
	vec_sort(&s->fds.epolls, by_watched);
	vec_deinit(&r.fds.v);
	proc_sockets_deinit(&r.known);
	hash_map_deinit(&r.sockets);
	hash_map_deinit(&r.kinds);
	hash_map_deinit(&r.groups);
	intern_deinit(&r.words);
	return err;
}
