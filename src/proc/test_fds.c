/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "proc/fds.h"
#include "proc/test_child.h"

static void links_have_kinds(void **state)
{
	static const struct {
		const char *link, *kind;
		uint64_t inode;
	} table[] = {
		{ "socket:[4711]", "socket", 4711 },
		{ "pipe:[12]", "pipe", 12 },
		{ "pidfd:[81]", "pidfd", 81 },
		{ "net:[4026531840]", "namespace", 4026531840 },
		{ "anon_inode:[eventpoll]", "epoll", 0 },
		{ "anon_inode:[eventfd]", "eventfd", 0 },
		{ "anon_inode:[timerfd]", "timerfd", 0 },
		{ "anon_inode:[pidfd]", "pidfd", 0 },
		{ "anon_inode:[io_uring]", "io_uring", 0 },
		{ "anon_inode:inotify", "inotify", 0 },
		{ "anon_inode:bpf-map", "bpf-map", 0 },
		{ "anon_inode:kvm-vcpu:3", "kvm-vcpu", 0 },
		{ "anon_inode:", "anonymous", 0 },
		{ "/memfd:x (deleted)", "memfd", 0 },
		{ "/memfd:x", "file", 0 },
		{ "/var/log/x (deleted)", "file", 0 },
		{ "/", "file", 0 },
		{ "", "file", 0 },
		{ "socket:[18446744073709551616]", "file", 0 },
		{ "socket:[]", "file", 0 },
		{ "socket:[12", "file", 0 },
		{ ":[12]", "file", 0 },
	};
	struct arena arena;
	arena_init(&arena);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct proc_fd fd = { 0 };
		proc_fd_parse(table[i].link, &arena, &fd);
		assert_string_equal(fd.kind, table[i].kind);
		assert_int_equal(fd.inode, table[i].inode);
	}
	arena_deinit(&arena);
}

static void epoll_watches_are_lines(void **state)
{
	AUTO_CLOSE int fd = text_file("pos:\t0\nflags:\t02\ntfd:        5 events:       1b\ntfd:        6 events: 1\n"
				      "tfd:        7 events: 19  data: 7  pos:0 ino:4 sdev:9\n");
	uint64_t n = 0;
	ok(proc_epoll_parse(fd, &n));
	assert_int_equal(n, 3);
	AUTO_CLOSE int none = text_file("");
	ok(proc_epoll_parse(none, &n));
	assert_int_equal(n, 0);
}

struct holds {
	int epoll, socket, file, twin, linked, eventfd;
};

enum { SIZE = 100000 };

static int removed(const char *text, bool other_name)
{
	char path[] = "/tmp/ullage-fds-XXXXXX";
	int fd = mkostemp(path, O_CLOEXEC);
	AUTO_FREE char *other = xasprintf("%s.other (deleted)", path);
	for (int i = 0; i < SIZE / 100; i++)
		(void)!write(fd, text, 100);
	if (other_name)
		(void)!link(path, other);
	unlink(path);
	return fd;
}

static void open_some(void *layout, void *arg)
{
	static const char text[100];
	struct holds *h = layout;
	for (int fd = 3; fd < 64; fd++) { /* ours, but for the pipe that answers */
		struct stat st;
		if (fstat(fd, &st) == 0 && !S_ISFIFO(st.st_mode))
			close(fd);
	}
	h->epoll = epoll_create1(0);
	h->eventfd = eventfd(0, 0);
	h->socket = socket(AF_INET6, SOCK_DGRAM, 0);
	h->file = removed(text, false);
	h->twin = dup(h->file);
	h->linked = removed(text, true);
	struct epoll_event ev = { .events = EPOLLIN };
	epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->eventfd, &ev);
	epoll_ctl(h->epoll, EPOLL_CTL_ADD, h->socket, &ev);
	setrlimit(RLIMIT_NOFILE, &(struct rlimit){ 333, 444 });
}

static const struct proc_fd *find(const struct proc_fds *fds, int no)
{
	for (size_t i = 0; i < fds->v.n; i++) {
		if (fds->v.v[i].fd == no)
			return &fds->v.v[i];
	}
	fail_msg("descriptor %d was not found", no);
	return NULL;
}

static void remove_other(const char *link)
{
	/* "PATH (deleted)": the other name is "PATH.other (deleted)" */
	AUTO_FREE char *path = xstrndup(link, strlen(link) - strlen(" (deleted)"));
	AUTO_FREE char *other = xasprintf("%s.other (deleted)", path);
	assert_int_equal(unlink(other), 0);
}

static void a_process_has_descriptors(void **state)
{
	struct holds h;
	struct proc_process p;
	struct proc_fds fds;
	struct arena arena;
	uint64_t n = 0;
	char protocol[PROC_PROTOCOL_LEN];
	arena_init(&arena);
	pid_t pid = child_start(open_some, NULL, &h, sizeof(h));
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_fds_read(&p, &arena, &fds));
	assert_int_equal(fds.total, fds.v.n);
	assert_string_equal(find(&fds, h.epoll)->kind, "epoll");
	assert_string_equal(find(&fds, h.eventfd)->kind, "eventfd");
	assert_string_equal(find(&fds, h.socket)->kind, "socket");
	assert_string_equal(find(&fds, h.file)->kind, "file");
	assert_int_equal(fds.deleted_files, 1); /* the twin is the same file, and the linked one has a name */
	assert_in_range(fds.deleted_bytes, SIZE, SIZE + 65536);
	ok(proc_epoll_watched(&p, h.epoll, &n));
	assert_int_equal(n, 2);
	ok(proc_limit_files(&p, &n));
	assert_int_equal(n, 333);
	proc_socket_protocol(&p, h.socket, protocol);
	assert_string_equal(protocol, "udp6");
	proc_socket_protocol(&p, h.epoll, protocol);
	assert_string_equal(protocol, "socket");
	remove_other(find(&fds, h.linked)->link);
	vec_deinit(&fds.v);
	child_end(pid);
	not_ok(ERR_GONE, proc_fds_read(&p, &arena, &fds));
	vec_deinit(&fds.v);
	proc_process_close(&p);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(links_have_kinds),
		cmocka_unit_test(epoll_watches_are_lines),
		cmocka_unit_test(a_process_has_descriptors),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
