/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/capture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "codec/goproto.h"
#include "codec/pprof.h"
#include "codec/snapfile.h"
#include "engine/evidence.h"
#include "format/output.h"
#include "proc/opener.h"
#include "watch/split.h"

const char *const capture_kinds[] = { "snapshot", "heap", "goroutines", "map" };

_Static_assert(sizeof(capture_kinds) / sizeof(capture_kinds[0]) == CAPTURE_KINDS, "each kind has a name");

enum { MS = 1000, MS_NS = 1000000, SPARE_S = 2, MEMORY_MAX = 192 << 20 }; /* the service may have 256 MiB in all */

/* ---- in the child ---- */

struct capture_row {
	unsigned parts, required;
	struct err *(*write)(const struct snapshot *s, struct strbuf *out); /* NULL: no file */
};

static struct err *write_heap(const struct snapshot *s, struct strbuf *out)
{
	if (s->heap.reason && !s->heap.profile.samples.n)
		return err_new(ERR_UNSUPPORTED, "there is no heap profile: %s", s->heap.reason);
	pprof_write(&s->heap.profile, out);
	return NULL;
}

static struct err *write_goroutines(const struct snapshot *s, struct strbuf *out)
{
	struct profile p;
	goroutines_profile(&s->goroutines, s->clock.wall, &p);
	pprof_write(&p, out);
	profile_deinit(&p);
	return NULL;
}

static const struct capture_row rows[CAPTURE_KINDS] = {
	[CAPTURE_SNAPSHOT] = { SNAPSHOT_ALL, 0, snapfile_write },
	[CAPTURE_HEAP] = { SNAPSHOT_HEAP, SNAPSHOT_HEAP, write_heap },
	[CAPTURE_GOROUTINES] = { SNAPSHOT_GOROUTINES, SNAPSHOT_GOROUTINES, write_goroutines },
	[CAPTURE_MAP] = { SNAPSHOT_ACCOUNT, SNAPSHOT_ACCOUNT, NULL },
};

static struct err *read_and_write(const struct capture_order *job, struct capture_result *result)
{
	const struct capture_row *row = &rows[job->kind];
	struct evidence_options want = {
		.parts = job->less ? SNAPSHOT_ACCOUNT | SNAPSHOT_HEAP : row->parts,
		.required = row->required,
		.account = {
			.procfs = job->procfs,
			.owners = job->kind == CAPTURE_SNAPSHOT,
			.cgroup = job->kind == CAPTURE_SNAPSHOT, /* it looks at all processes of the cgroup */
		},
	};
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	struct snapshot s; /* dies with the child */
	TRY(engine_evidence(job->target, &want, &s));
	if (s.id.start_ticks && s.id.start_ticks != job->start_ticks) /* an account alone does not say */
		return err_gone();				      /* its number is another one's by now */
	if (job->less)
		snapshot_note(
			&s, "the reading of everything went beyond its budget of time, memory or bytes: this has only "
			    "the account and the heap profile");
	if (row->write) {
		TRY(row->write(&s, &out));
		TRY(output_write(job->fd, capture_kinds[job->kind], out.buf, out.len));
		if (fsync(job->fd) < 0) /* here a slow disk keeps nobody from looking */
			return err_recode(err_os(errno, "a %s in the data directory", capture_kinds[job->kind]),
					  ERR_WRITE);
	}
	result->has_classes = s.parts & SNAPSHOT_ACCOUNT;
	for (int i = 0; result->has_classes && i < CLASS_MAX_; i++)
		result->classes[i] = s.account.classes[i].resident;
	return NULL;
}

static void limit(int what, rlim_t value)
{
	struct rlimit r = { value, value };
	(void)setrlimit((__rlimit_resource_t)what, &r);
}

/*
 * Nothing of the daemon's but the two descriptors, and whom to ask for files of the target, whose new name goes into
 * `procfs`. The database and sockets are closed here, which leaves the daemon's own locks alone. The priority stays: a
 * reader that is put off while it holds the target's lock on its mappings puts the target off.
 */
static void give_up(struct capture_order *job, int *pipe, char procfs[SPLIT_PROCFS])
{
	int out = fcntl(*pipe, F_DUPFD, 100), file = job->fd < 0 ? -1 : fcntl(job->fd, F_DUPFD, 101);
	int asked = proc_opener_of(job->procfs), opener = asked < 0 ? -1 : fcntl(asked, F_DUPFD, 102);
	close_range(3, 99, 0);
	*pipe = dup2(out, 3);
	job->fd = file < 0 ? -1 : dup2(file, 4);
	int kept = opener < 0 ? -1 : dup2(opener, 5);
	close_range(kept < 0 ? 5 : 6, ~0u, 0);
	if (kept >= 0 && snprintf(procfs, SPLIT_PROCFS, "opener:%d:%s", kept, proc_opener_dir(job->procfs)) > 0)
		job->procfs = procfs;
	/* What the daemon does of these ends here. */
	static const int own[] = { SIGTERM, SIGINT, SIGHUP, SIGPIPE, SIGXFSZ };
	for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
		(void)sigaction(own[i], &(struct sigaction){ .sa_handler = SIG_DFL }, NULL);
	limit(RLIMIT_FSIZE, job->budget.bytes);
	limit(RLIMIT_CPU, (rlim_t)job->budget.time_ms / MS + SPARE_S);
	limit(RLIMIT_DATA, MEMORY_MAX);
	limit(RLIMIT_CORE, 0);
}

/* Where the daemon's own cgroup, or the machine, has no memory left, the reader goes first. */
static void be_first(void)
{
	static const char points[] = "500"; /* more than of the daemon, which is as little as allows */
	AUTO_CLOSE int fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
	(void)!write(fd, points, sizeof(points) - 1);
}

static _Noreturn void child(struct capture_order job, int pipe)
{
	struct capture_result result = { 0 };
	char procfs[SPLIT_PROCFS];
	give_up(&job, &pipe, procfs);
	be_first();
	struct err *err = read_and_write(&job, &result);
	result.done = !err;
	result.gone = err && (err_code(err) == ERR_GONE || err_code(err) == ERR_NOT_FOUND);
	if (err)
		(void)!snprintf(result.text, sizeof(result.text), "%s", err_text(err));
	(void)!write(pipe, &result, sizeof(result));
	_exit(0);
}

/* ---- in the daemon ---- */

struct err *capture_begin(struct capture *c, const struct capture_order *order, int64_t now_ns)
{
	int ends[2];
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK) < 0)
		return err_os(errno, "a pipe for a %s", capture_kinds[order->kind]);
	pid_t pid = fork();
	if (pid < 0) {
		int failed = errno;
		close(ends[0]);
		close(ends[1]);
		return err_os(failed, "a process for a %s", capture_kinds[order->kind]);
	}
	if (pid == 0)
		child(*order, ends[1]);
	close(ends[1]);
	*c = (struct capture){
		.pid = pid,
		.pipe = ends[0],
		.kind = order->kind,
		.less = order->less,
		.began_ns = now_ns,
		.deadline_ns = now_ns + (int64_t)order->budget.time_ms * MS_NS,
	};
	return NULL;
}

static void how_it_died(int status, bool killed, struct capture_result *ret)
{
	static const struct {
		int signal;
		const char *text;
	} ends[] = {
		{ SIGXFSZ, "it would be larger than its budget of bytes" },
		{ SIGXCPU, "it took more CPU than its budget of time" },
		{ SIGABRT, "the reader gave up, as it does beyond its budget of memory" },
	};
	const char *why = killed ? "it took longer than its budget of time" : NULL;
	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]) && !why; i++)
		why = WIFSIGNALED(status) && WTERMSIG(status) == ends[i].signal ? ends[i].text : NULL;
	ret->over = why != NULL;
	if (why)
		(void)!snprintf(ret->text, sizeof(ret->text), "%s", why);
	else if (WIFSIGNALED(status))
		(void)!snprintf(ret->text, sizeof(ret->text), "the reader ended by signal %d", WTERMSIG(status));
	else
		(void)!snprintf(ret->text, sizeof(ret->text), "the reader ended with status %d", WEXITSTATUS(status));
}

static int64_t ns(struct timeval t)
{
	return (int64_t)t.tv_sec * MS * MS_NS + (int64_t)t.tv_usec * MS;
}

void capture_kill(struct capture *c)
{
	if (!c->killed)
		(void)kill(c->pid, SIGKILL);
	c->killed = true;
}

void capture_end(struct capture *c, struct capture_result *ret)
{
	memset(ret, 0, sizeof(*ret));
	bool told = !c->killed && read(c->pipe, ret, sizeof(*ret)) == (ssize_t)sizeof(*ret);
	int status = 0;
	struct rusage used = { 0 };
	while (wait4(c->pid, &status, 0, &used) < 0 && errno == EINTR)
		;
	close(c->pipe);
	if (!told) {
		memset(ret, 0, sizeof(*ret));
		how_it_died(status, c->killed, ret);
	}
	ret->text[sizeof(ret->text) - 1] = '\0';
	ret->cpu_ns = ns(used.ru_utime) + ns(used.ru_stime);
	c->pid = 0;
	c->pipe = -1;
}
