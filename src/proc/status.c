/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/process.h"

#include <ctype.h>
#include <fcntl.h>
#include <string.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"

/* The next space-separated word of [*s, end), or false at the end. */
static bool word(const char **s, const char *end, const char **ret, size_t *len)
{
	const char *p = *s;
	while (p < end && isspace((unsigned char)*p))
		p++;
	const char *start = p;
	while (p < end && !isspace((unsigned char)*p))
		p++;
	*s = p;
	*ret = start;
	*len = (size_t)(p - start);
	return p > start;
}

/* Fields of stat after the name, by their number in proc(5). */
enum { STAT_STATE = 3, STAT_FLAGS = 9, STAT_START = 22, STAT_STACK = 28 };

static bool stat_field(unsigned no, const char *w, size_t len, struct proc_stat *ret)
{
	switch (no) {
	case STAT_STATE:
		ret->state = w[0];
		return len == 1;
	case STAT_FLAGS:
		return num_dec(w, len, &ret->flags);
	case STAT_START:
		return num_dec(w, len, &ret->start_ticks);
	case STAT_STACK:
		return num_dec(w, len, &ret->start_stack);
	default:
		return true;
	}
}

bool proc_stat_parse(const char *text, size_t len, struct proc_stat *ret)
{
	*ret = (struct proc_stat){ 0 };
	/* The name may hold parentheses and spaces, the fields after it cannot: the last ')' ends it. */
	const char *open = memchr(text, '(', len);
	const char *close = memrchr(text, ')', len);
	if (!open || !close || close < open)
		return false;
	size_t n = (size_t)(close - open - 1);
	if (n >= sizeof(ret->comm))
		n = sizeof(ret->comm) - 1;
	memcpy(ret->comm, open + 1, n);
	const char *s = close + 1, *end = text + len, *w = NULL;
	for (unsigned no = STAT_STATE; no <= STAT_STACK; no++) {
		size_t wlen = 0;
		if (!word(&s, end, &w, &wlen))
			return no > STAT_START; /* old kernels are not that short; fake trees may be */
		if (!stat_field(no, w, wlen, ret))
			return false;
	}
	return true;
}

/* "NAME:  value": the value when the line's key is `key`. */
static const char *value_of(const char *line, const char *key)
{
	size_t n = strlen(key);
	if (strncmp(line, key, n) != 0 || line[n] != ':')
		return NULL;
	line += n + 1;
	while (*line == ' ' || *line == '\t')
		line++;
	return line;
}

static bool number(const char *value, unsigned index, uint64_t *ret)
{
	const char *s = value, *end = value + strlen(value), *w = NULL;
	size_t len = 0;
	for (unsigned i = 0; i <= index; i++) {
		if (!word(&s, end, &w, &len))
			return false;
	}
	return num_dec(w, len, ret);
}

static void status_namespaces(const char *value, struct proc_status *st)
{
	const char *s = value, *end = value + strlen(value), *w = NULL;
	size_t len = 0;
	for (st->ns_levels = 0; st->ns_levels < 64 && word(&s, end, &w, &len); st->ns_levels++) {
		uint64_t pid = 0;
		if (num_dec(w, len, &pid) && pid <= INT32_MAX)
			st->ns_pid = (pid_t)pid;
	}
}

enum status_kind { STATUS_KIB, STATUS_COUNT, STATUS_PID, STATUS_EFFECTIVE };

/* The plain numbers; State and NStgid are not of this kind. */
static const struct status_row {
	const char *key;
	enum status_kind kind;
	size_t offset;
} status_rows[] = {
	{ "Tgid", STATUS_PID, offsetof(struct proc_status, tgid) },
	{ "PPid", STATUS_PID, offsetof(struct proc_status, ppid) },
	{ "TracerPid", STATUS_PID, offsetof(struct proc_status, tracer) },
	{ "Uid", STATUS_EFFECTIVE, offsetof(struct proc_status, uid) },
	{ "Threads", STATUS_COUNT, offsetof(struct proc_status, threads) },
	{ "VmSize", STATUS_KIB, offsetof(struct proc_status, vm_size) },
	{ "VmRSS", STATUS_KIB, offsetof(struct proc_status, vm_rss) },
	{ "RssAnon", STATUS_KIB, offsetof(struct proc_status, rss_anon) },
	{ "RssFile", STATUS_KIB, offsetof(struct proc_status, rss_file) },
	{ "RssShmem", STATUS_KIB, offsetof(struct proc_status, rss_shmem) },
	{ "VmPTE", STATUS_KIB, offsetof(struct proc_status, vm_pte) },
	{ "VmSwap", STATUS_KIB, offsetof(struct proc_status, vm_swap) },
};

static void status_number(const struct status_row *row, const char *value, struct proc_status *st)
{
	uint64_t n = 0;
	if (!number(value, row->kind == STATUS_EFFECTIVE ? 1 : 0, &n))
		return;
	void *to = (char *)st + row->offset;
	switch (row->kind) {
	case STATUS_KIB:
		n = n <= UINT64_MAX / 1024 ? n * 1024 : UINT64_MAX;
		memcpy(to, &n, sizeof(n));
		break;
	case STATUS_COUNT:
		memcpy(to, &n, sizeof(n));
		break;
	case STATUS_PID:
	case STATUS_EFFECTIVE: {
		uint32_t small = (uint32_t)num_min(n, row->kind == STATUS_PID ? INT32_MAX : UINT32_MAX);
		memcpy(to, &small, sizeof(small));
		break;
	}
	}
}

static void status_line(const char *line, struct proc_status *st)
{
	const char *value = value_of(line, "State");
	if (value) {
		st->state = value[0];
		return;
	}
	value = value_of(line, "NStgid");
	if (value) {
		status_namespaces(value, st);
		return;
	}
	for (size_t i = 0; i < sizeof(status_rows) / sizeof(status_rows[0]); i++) {
		value = value_of(line, status_rows[i].key);
		if (value) {
			status_number(&status_rows[i], value, st);
			return;
		}
	}
}

struct err *proc_status_parse(int fd, struct proc_status *ret)
{
	*ret = (struct proc_status){ 0 };
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	for (;;) {
		char *line = NULL;
		TRY(lines_next(&l, &line, NULL));
		if (!line)
			break;
		status_line(line, ret);
	}
	if (!ret->state)
		return err_new(ERR_FORMAT, "no State line among %zu lines", l.line);
	return NULL;
}

struct err *proc_status_read(const struct proc_process *p, struct proc_status *ret)
{
	AUTO_CLOSE int fd = -1;
	TRY(proc_process_file(p, "status", O_RDONLY, &fd));
	return err_wrap(proc_status_parse(fd, ret), "pid %d: reading status", p->pid);
}
