/* SPDX-License-Identifier: Apache-2.0 */
#include "report/fds.h"

#include <stdlib.h>
#include <string.h>

#include "base/num.h"
#include "format/fields.h"
#include "format/parts.h"
#include "screen/say.h"
#include "screen/table.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum {
	TOP = 15, /* rows of a table in text */
	PORTS = 65536,
	NEAR_LIMIT = 80, /* percent: then the number is in a warning colour */
};

static const double NS = 1e9; /* nanoseconds in a second */

/* ---- JSON ---- */

static const struct field kind_fields[] = {
	FIELD(fd_kind, kind, FIELD_STR, "kind"),
	FIELD(fd_kind, count, FIELD_U64, "count"),
};

static const struct field socket_fields[] = {
	FIELD(fd_socket, protocol, FIELD_STR, "protocol"), FIELD(fd_socket, peer, FIELD_STR, "peer"),
	FIELD(fd_socket, local, FIELD_STR, "local"),	   FIELD(fd_socket, state, FIELD_STR, "state"),
	FIELD(fd_socket, count, FIELD_U64, "count"),	   FIELD(fd_socket, rx_queue, FIELD_U64, "rx_queue"),
	FIELD(fd_socket, tx_queue, FIELD_U64, "tx_queue"), FIELD(fd_socket, skmem, FIELD_U64, "skmem_bytes"),
};

static const struct field fds_fields[] = {
	FIELD(fds, deleted_bytes, FIELD_U64, "deleted_files_bytes"),
	FIELD(fds, deleted_files, FIELD_U64, "deleted_files"),
	FIELD(fds, memfd_bytes, FIELD_U64, "memfd_bytes"),
	FIELD(fds, memfds, FIELD_U64, "memfds"),
	FIELD(fds, socket_kernel, FIELD_U64, "socket_kernel_bytes"),
	FIELD(fds, sockets_unknown, FIELD_U64, "sockets_unknown"),
};

static void put_counts(struct json *j, const struct fds *f)
{
	json_array(j, "by_kind");
	for (size_t i = 0; i < f->kinds.n; i++) {
		json_object(j, NULL);
		fields_json(j, kind_fields, LEN(kind_fields), &f->kinds.v[i]);
		json_object_end(j);
	}
	json_array_end(j);
	json_array(j, "sockets");
	for (size_t i = 0; i < f->sockets.n; i++) {
		json_object(j, NULL);
		fields_json(j, socket_fields, LEN(socket_fields), &f->sockets.v[i]);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_cgroups(struct json *j, const struct fds *f)
{
	json_object(j, "cgroups");
	json_u64(j, "left", f->cgroups_left);
	json_u64(j, "charged_bytes", f->cgroups_charged);
	fields_u64(j, "dying", f->cgroups_dying);
	if (f->cgroups_left)
		json_double(j, "oldest_seconds", (double)f->cgroups_oldest_ns / NS);
	else
		json_null(j, "oldest_seconds");
	json_array(j, "list");
	for (size_t i = 0; i < f->cgroups.n; i++) {
		const struct fd_cgroup *cg = &f->cgroups.v[i];
		json_object(j, NULL);
		json_str(j, "path", cg->path);
		json_double(j, "age_seconds", (double)cg->age_ns / NS);
		fields_u64(j, "charged_bytes", cg->charged);
		json_object_end(j);
	}
	json_array_end(j);
	json_object_end(j);
}

static void put_epolls(struct json *j, const struct fds *f)
{
	json_array(j, "epoll");
	for (size_t i = 0; i < f->epolls.n; i++) {
		json_object(j, NULL);
		json_i64(j, "fd", f->epolls.v[i].fd);
		json_u64(j, "watched", f->epolls.v[i].watched);
		json_object_end(j);
	}
	json_array_end(j);
}

static void put_list(struct json *j, const struct fds *f)
{
	json_array(j, "fds");
	for (size_t i = 0; i < f->rows.n; i++) {
		const struct fd_row *row = &f->rows.v[i];
		json_object(j, NULL);
		json_i64(j, "fd", row->fd);
		json_str(j, "kind", row->kind);
		json_str(j, "what", row->what);
		fields_u64(j, "inode", row->inode ? row->inode : UINT64_MAX);
		json_object_end(j);
	}
	json_array_end(j);
}

void fds_json_members(struct json *j, const struct fds_report *r)
{
	const struct snapshot *s = r->snapshot;
	const struct fds *f = &s->fds;
	char time[PARTS_TIME_LEN];
	json_str(j, "schema", "ullage.fds/1");
	json_str(j, "time", s->clock.wall ? parts_time(s->clock.wall, time) : NULL);
	json_i64(j, "pid", s->id.pid);
	json_str(j, "comm", s->id.comm);
	json_str(j, "exe", s->id.exe);
	json_u64(j, "total", f->total);
	fields_u64(j, "limit", f->limit);
	put_counts(j, f);
	put_epolls(j, f);
	fields_json(j, fds_fields, LEN(fds_fields), f);
	put_cgroups(j, f);
	if (r->list)
		put_list(j, f);
	parts_notes(j, s, SNAPSHOT_FDS);
}

void fds_json(const struct fds_report *r, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	fds_json_members(&j, r);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

/* ---- text: sockets ---- */

static const char *port_of(const char *address)
{
	const char *colon = address ? strrchr(address, ':') : NULL;
	return colon ? colon + 1 : "";
}

static bool is_listener(const struct fd_socket *s)
{
	return strcmp(s->state, "LISTEN") == 0;
}

/* Connections that were accepted come from as many ports as there are: for people they are one row for each host. */
struct merged {
	struct fd_socket_vec v;
	struct arena arena;
	bool listens[PORTS];
};

static void note_ports(struct merged *m, const struct fds *f)
{
	for (size_t i = 0; i < f->sockets.n; i++) {
		uint64_t port = 0;
		if (is_listener(&f->sockets.v[i]) && num_str(port_of(f->sockets.v[i].local), &port) && port < PORTS)
			m->listens[port] = true;
	}
}

/* "10.0.0.5:*" where the connection was accepted, else the peer as it is. */
static const char *who(struct merged *m, const struct fd_socket *s)
{
	uint64_t port = 0;
	bool accepted = !is_listener(s) && s->local && num_str(port_of(s->local), &port) && port < PORTS &&
			m->listens[port] && *port_of(s->peer);
	if (!accepted)
		return s->peer;
	return arena_printf(&m->arena, "%.*s*", (int)(port_of(s->peer) - s->peer), s->peer);
}

static int by_key(const void *a, const void *b)
{
	const struct fd_socket *x = a, *y = b;
	int d = strcmp(x->peer, y->peer);
	d = d ? d : strcmp(x->protocol, y->protocol);
	d = d ? d : strcmp(x->state, y->state);
	return d ? d : strcmp(x->local ? x->local : "", y->local ? y->local : "");
}

static int by_count(const void *a, const void *b)
{
	const struct fd_socket *x = a, *y = b;
	return x->count != y->count ? (x->count < y->count ? 1 : -1) : by_key(a, b);
}

static uint64_t sum(uint64_t a, uint64_t b)
{
	return a == ACCOUNT_UNKNOWN || b == ACCOUNT_UNKNOWN ? ACCOUNT_UNKNOWN : a + b;
}

static void add_to(struct fd_socket *to, const struct fd_socket *s)
{
	to->count += s->count;
	to->rx_queue = sum(to->rx_queue, s->rx_queue);
	to->tx_queue = sum(to->tx_queue, s->tx_queue);
	to->skmem = sum(to->skmem, s->skmem);
}

static void merge(struct merged *m, const struct fds *f)
{
	note_ports(m, f);
	for (size_t i = 0; i < f->sockets.n; i++) {
		struct fd_socket *s = vec_push(&m->v);
		*s = f->sockets.v[i];
		s->peer = who(m, &f->sockets.v[i]);
	}
	vec_sort(&m->v, by_key);
	size_t n = 0;
	for (size_t i = 0; i < m->v.n; i++) {
		if (n && by_key(&m->v.v[n - 1], &m->v.v[i]) == 0)
			add_to(&m->v.v[n - 1], &m->v.v[i]);
		else
			m->v.v[n++] = m->v.v[i];
	}
	m->v.n = n;
	vec_sort(&m->v, by_count);
}

static void count_cell(struct table *t, uint64_t n)
{
	char num[SAY_NUM_LEN];
	table_cell(t, say_num(n, num));
}

static void put_socket(struct table *t, const struct fd_socket *s)
{
	count_cell(t, s->count);
	table_cell(t, s->protocol);
	table_cell(t, s->state);
	if (strcmp(s->state, "CLOSE-WAIT") == 0) /* the other end has closed; this one forgot to */
		table_role(t, STYLE_WARN);
	if (is_listener(s)) {
		table_cellf(t, s->rx_queue == ACCOUNT_UNKNOWN ? "-" : "%llu wait", (unsigned long long)s->rx_queue);
		table_cellf(t, s->tx_queue == ACCOUNT_UNKNOWN ? "-" : "of %llu", (unsigned long long)s->tx_queue);
	} else {
		table_size(t, s->rx_queue);
		table_size(t, s->tx_queue);
	}
	table_size(t, s->skmem);
	table_cell(t, s->peer);
	table_cell(t, s->local);
}

static void put_more(struct say *s, size_t n, size_t shown)
{
	char num[SAY_NUM_LEN];
	if (n > shown)
		say_line(s, STYLE_DIM, 2, "%s more; --top shows more.", say_num(n - shown, num));
}

static size_t top_of(const struct fds_report *r, size_t n)
{
	return (size_t)num_min(n, r->top ? r->top : TOP);
}

static void put_sockets(struct say *s, const struct fds_report *r)
{
	static const struct table_column columns[] = {
		{ "COUNT", TABLE_RIGHT, 0 },  { "PROTO", TABLE_LEFT, 8 },   { "STATE", TABLE_LEFT, 12 },
		{ "UNREAD", TABLE_RIGHT, 0 }, { "UNSENT", TABLE_RIGHT, 0 }, { "KERNEL", TABLE_RIGHT, 0 },
		{ "PEER", TABLE_LEFT, 30 },   { "LOCAL", TABLE_LEFT, 0 },
	};
	const struct fds *f = &r->snapshot->fds;
	if (!f->sockets.n)
		return;
	struct merged *m = xcalloc(1, sizeof(*m));
	arena_init(&m->arena);
	merge(m, f);
	say_title(s, "Sockets by peer");
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < top_of(r, m->v.n); i++)
		put_socket(&t, &m->v.v[i]);
	table_print(&t, s->out);
	table_deinit(&t);
	put_more(s, m->v.n, top_of(r, m->v.n));
	vec_deinit(&m->v);
	arena_deinit(&m->arena);
	free(m);
}

/* ---- text: the rest ---- */

static void put_head(struct say *s, const struct fds_report *r)
{
	const struct snapshot *shot = r->snapshot;
	const struct fds *f = &shot->fds;
	char num[SAY_NUM_LEN], limit[SAY_NUM_LEN];
	bool near = f->limit != ACCOUNT_UNKNOWN && f->total > f->limit / 100 * NEAR_LIMIT;
	enum style_role role = near ? STYLE_BAD : STYLE_HEAD;
	strbuf_printf(s->out, "%s%s descriptor%s%s", style_on(s->style, role), say_num(f->total, num),
		      f->total == 1 ? "" : "s", style_off(s->style, role));
	AUTO(strbuf) struct strbuf rest;
	strbuf_init(&rest);
	strbuf_printf(&rest, " of %s", shot->id.comm ? shot->id.comm : "?");
	if (shot->source)
		strbuf_printf(&rest, ", %s", shot->source);
	if (f->limit != ACCOUNT_UNKNOWN && f->limit)
		strbuf_printf(&rest, "; %s are allowed (%.1f %%)", say_num(f->limit, limit),
			      100.0 * (double)f->total / (double)f->limit);
	say_hang(s, 2, "%s", rest.buf);
}

static void put_kinds(struct say *s, const struct fds_report *r)
{
	static const struct table_column columns[] = {
		{ "KIND", TABLE_LEFT, 24 },
		{ "COUNT", TABLE_RIGHT, 0 },
		{ "", TABLE_RIGHT, 0 },
	};
	const struct fds *f = &r->snapshot->fds;
	if (!f->kinds.n)
		return;
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < top_of(r, f->kinds.n); i++) {
		table_cell(&t, f->kinds.v[i].kind);
		count_cell(&t, f->kinds.v[i].count);
		table_cellf(&t, "%.1f %%", 100.0 * (double)f->kinds.v[i].count / (double)num_max(f->total, 1));
	}
	strbuf_putc(s->out, '\n');
	table_print(&t, s->out);
	table_deinit(&t);
	put_more(s, f->kinds.n, top_of(r, f->kinds.n));
}

static void put_memory(struct say *s, const struct fds *f)
{
	char size[SAY_NUM_LEN], num[SAY_NUM_LEN];
	say_title(s, "Memory behind them, in no RSS: it stands beside the account");
	say_fact(s, "sockets", "%s of kernel memory", say_size(f->socket_kernel, size));
	if (f->deleted_files)
		say_fact(s, "deleted", "%s in %s removed file%s that it still holds open",
			 say_size(f->deleted_bytes, size), say_num(f->deleted_files, num),
			 f->deleted_files == 1 ? "" : "s");
	if (f->memfds)
		say_fact(s, "memfd", "%s in %s memory file%s; what is mapped of them is in the RSS, too",
			 say_size(f->memfd_bytes, size), say_num(f->memfds, num), f->memfds == 1 ? "" : "s");
}

static void put_epoll_text(struct say *s, const struct fds *f)
{
	char num[SAY_NUM_LEN], first[SAY_NUM_LEN];
	uint64_t all = 0;
	for (size_t i = 0; i < f->epolls.n; i++)
		all += f->epolls.v[i].watched;
	if (f->epolls.n == 1)
		say_fact(s, "epoll", "descriptor %d watches %s", f->epolls.v[0].fd, say_num(all, num));
	else if (f->epolls.n)
		say_fact(s, "epoll", "%zu instances watch %s; the largest, descriptor %d, %s", f->epolls.n,
			 say_num(all, num), f->epolls.v[0].fd, say_num(f->epolls.v[0].watched, first));
}

static void put_cgroups_text(struct say *s, const struct fds_report *r)
{
	static const struct table_column columns[] = {
		{ "CHARGED", TABLE_RIGHT, 0 },
		{ "AGE", TABLE_RIGHT, 0 },
		{ "CGROUP", TABLE_LEFT, 0 },
	};
	const struct fds *f = &r->snapshot->fds;
	char num[SAY_NUM_LEN], size[SAY_NUM_LEN], age[SAY_NUM_LEN];
	if (f->cgroups_dying != ACCOUNT_UNKNOWN && f->cgroups_dying)
		say_fact(s, "cgroups", "%s removed and still charged", say_num(f->cgroups_dying, num));
	if (!f->cgroups_left)
		return;
	say_title(s, "Cgroups left behind without a process: %s, %s charged, the oldest %s at least",
		  say_num(f->cgroups_left, num), say_size(f->cgroups_charged, size),
		  say_duration(f->cgroups_oldest_ns, age));
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < top_of(r, f->cgroups.n); i++) {
		table_size(&t, f->cgroups.v[i].charged);
		table_cell(&t, say_duration(f->cgroups.v[i].age_ns, age));
		table_cell(&t, f->cgroups.v[i].path);
	}
	table_print(&t, s->out);
	table_deinit(&t);
	put_more(s, (size_t)f->cgroups_left, top_of(r, f->cgroups.n));
}

static void put_list_text(struct say *s, const struct fds_report *r)
{
	static const struct table_column columns[] = {
		{ "FD", TABLE_RIGHT, 0 },
		{ "KIND", TABLE_LEFT, 16 },
		{ "WHAT", TABLE_LEFT, 0 },
	};
	const struct fds *f = &r->snapshot->fds;
	struct table t;
	table_init(&t, columns, LEN(columns), &r->style);
	for (size_t i = 0; i < f->rows.n; i++) {
		table_cellf(&t, "%d", f->rows.v[i].fd);
		table_cell(&t, f->rows.v[i].kind);
		table_cell(&t, f->rows.v[i].what);
	}
	say_title(s, "Every descriptor");
	table_print(&t, s->out);
	table_deinit(&t);
}

void fds_text(const struct fds_report *r, struct strbuf *out)
{
	struct say s = { out, &r->style };
	const struct snapshot *shot = r->snapshot;
	put_head(&s, r);
	put_kinds(&s, r);
	put_sockets(&s, r);
	put_memory(&s, &shot->fds);
	put_epoll_text(&s, &shot->fds);
	put_cgroups_text(&s, r);
	if (r->list)
		put_list_text(&s, r);
	if (shot->notes.n)
		say_title(&s, "Notes");
	for (size_t i = 0; i < shot->notes.n; i++)
		say_line(&s, STYLE_DIM, 2, "%s.", shot->notes.v[i]);
}
