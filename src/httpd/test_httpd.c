/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/httpd.h"

#include <arpa/inet.h>
#include <errno.h>
#include <event2/event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/alloc.h"

enum { LARGE = 3 << 20, FLOOD = 600 };

static struct event_base *loop;
static struct httpd *server;

static void say_hello(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	const char *name = httpd_query(request, "name");
	strbuf_printf(&reply->body, "hello %s at [%s], accept [%s]\n", name ? name : "you", request->tail,
		      request->accept);
}

static void say_much(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	for (unsigned i = 0; i < LARGE / 64; i++)
		strbuf_puts(&reply->body, "0123456789012345678901234567890123456789012345678901234567890123");
}

static void say_closed(void *arg, const struct httpd_request *request, struct httpd_reply *reply)
{
	httpd_problem(reply, 503, "open", "The breaker is \"open\".");
}

static const struct httpd_route routes[] = {
	{ "/", say_hello },	   { "/health/", say_closed }, { "/hello", say_hello }, { "/much", say_much },
	{ "/targets", say_hello }, { "/targets/", say_hello }, { .path = NULL },
};

static int begin(void **state)
{
	loop = event_base_new();
	event_base_priority_init(loop, 2);
	server = httpd_new(loop, routes, NULL);
	struct err *err AUTO(err) = httpd_listen(server, "127.0.0.1:0");
	return err || !httpd_port(server) ? -1 : 0;
}

static int end(void **state)
{
	httpd_free(server);
	event_base_free(loop);
	return 0;
}

static int dial(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons((uint16_t)httpd_port(server)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

static void turn(unsigned times)
{
	while (times--)
		event_base_loop(loop, EVLOOP_NONBLOCK);
}

/* Appends what the server says on fd until `enough` is in it, or until it ends the connection. True: it ended it. */
static bool listen_to(int fd, const char *enough, struct strbuf *out)
{
	char buf[65536];
	for (unsigned quiet = 0; quiet < 10000;) { /* ten seconds and more */
		turn(1);
		ssize_t n = recv(fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (n > 0) {
			strbuf_add(out, buf, (size_t)n);
			quiet = 0;
		} else if (n == 0 || errno == ECONNRESET) {
			return true;
		}
		if (enough && strstr(out->buf, enough))
			return false;
		if (n < 0)
			usleep(quiet++ < 100 ? 0 : 1000);
	}
	return false;
}

static void say(int fd, const char *text, size_t len)
{
	assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

/* The reply to a request after which the connection ends. */
static void ask(const char *text, struct strbuf *out)
{
	AUTO_CLOSE int fd = dial();
	strbuf_init(out);
	say(fd, text, strlen(text));
	assert_true(listen_to(fd, NULL, out));
}

#define HOST "Host: localhost\r\n"
#define CLOSE HOST "Connection: close\r\n\r\n"

static void a_route_answers(void **state)
{
	struct strbuf got AUTO(strbuf);
	ask("GET /targets/12%2D3/series?name=a%20b HTTP/1.1\r\nAccept: text/plain\r\n" CLOSE, &got);
	assert_non_null(strstr(got.buf, "HTTP/1.1 200 OK\r\nDate: "));
	assert_non_null(strstr(got.buf, "\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 48\r\n"));
	assert_non_null(
		strstr(got.buf, "\r\nConnection: close\r\n\r\nhello a b at [12-3/series], accept [text/plain]\n"));
}

static void head_is_get_without_the_body(void **state)
{
	struct strbuf got AUTO(strbuf);
	ask("HEAD /much HTTP/1.1\r\n" CLOSE, &got);
	assert_non_null(strstr(got.buf, "\r\nContent-Length: 3145728\r\n"));
	assert_string_equal(got.buf + got.len - 4, "\r\n\r\n");
}

static void problems_are_json(void **state)
{
	struct strbuf got AUTO(strbuf), nothing AUTO(strbuf);
	ask("GET /health/1-2 HTTP/1.1\r\n" CLOSE, &got);
	assert_non_null(strstr(got.buf, "HTTP/1.1 503 Service Unavailable\r\n"));
	assert_non_null(strstr(got.buf, "Content-Type: application/problem+json\r\n"));
	assert_non_null(
		strstr(got.buf, "\"status\":503,\"code\":\"open\",\"detail\":\"The breaker is \\\"open\\\".\"}"));
	ask("GET /hell HTTP/1.1\r\n" CLOSE, &nothing);
	assert_non_null(strstr(nothing.buf, "HTTP/1.1 404 Not Found\r\n"));
}

/* Of requests that are refused the connection ends, whatever they say: what follows is not trusted to be a request. */
static void what_is_refused_ends_the_connection(void **state)
{
	static const struct {
		const char *text, *status;
	} cases[] = {
		{ "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\nContent-Length: 5\r\n\r\nhello", "400" },
		{ "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: +3\r\n\r\nabc", "400" },
		{ "GET / HTTP/1.1\r\nHost : localhost\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\n\r\n", "400" },
		{ "GET / HTTP/1.1\r\nHost: rebound.example.org:9723\r\n\r\n", "421" },
		{ "GET http://rebound.example.org/ HTTP/1.1\r\nHost: localhost\r\n\r\n", "421" },
		{ "GET / HTTP/1.1\r\nHost: a b\r\n\r\n", "400" },
		{ "GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", "400" },
		{ "POST / HTTP/1.1\r\nHost: localhost\r\n\r\n", "405" },
		{ "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", "405" },
		{ "GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", "413" },
		{ "PUT / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		  "405" },
		{ "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
		  "501" },
		{ "GET / HTTP/1.1\nHost: localhost\n\n", "400" },
		{ "\x16\x03\x01\x02\x01\x01\x0a", "400" }, /* TLS that went to the wrong port */
		{ "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "505" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct strbuf got AUTO(strbuf);
		ask(cases[i].text, &got);
		if (got.len < 12 || strncmp(got.buf + 9, cases[i].status, 3) != 0)
			print_error("%s\n-> %s\n", cases[i].text, got.buf);
		assert_true(got.len > 12 && strncmp(got.buf + 9, cases[i].status, 3) == 0);
		assert_non_null(strstr(got.buf, "\r\nConnection: close\r\n"));
		assert_null(strstr(got.buf, "\nHTTP/1.1 "));
	}
	struct httpd_stats stats;
	httpd_stats(server, &stats);
	assert_true(stats.refused >= sizeof(cases) / sizeof(cases[0]));
}

static void a_head_has_a_ceiling(void **state)
{
	struct strbuf text AUTO(strbuf), got AUTO(strbuf);
	strbuf_init(&text);
	strbuf_puts(&text, "GET / HTTP/1.1\r\nX: ");
	while (text.len < HTTPD_HEAD + 1000)
		strbuf_putc(&text, 'a');
	ask(text.buf, &got);
	assert_non_null(strstr(got.buf, "HTTP/1.1 431 "));
}

static void requests_of_one_connection_are_answered_in_turn(void **state)
{
	AUTO_CLOSE int fd = dial();
	static const char three[] = "GET /hello?name=a HTTP/1.1\r\n" HOST "\r\n"
				    "\r\nGET /hello?name=b HTTP/1.1\r\n" HOST "\r\n"
				    "GET /hello?name=c HTTP/1.0\r\n\r\n";
	for (size_t i = 0; i < sizeof(three) - 1; i++) { /* byte by byte */
		say(fd, three + i, 1);
		turn(1);
	}
	struct strbuf got AUTO(strbuf);
	strbuf_init(&got);
	assert_true(listen_to(fd, NULL, &got));
	const char *a = strstr(got.buf, "hello a"), *b = strstr(got.buf, "hello b"), *c = strstr(got.buf, "hello c");
	assert_true(a && b && c && a < b && b < c);
}

static void a_client_that_sends_no_more_is_answered(void **state)
{
	AUTO_CLOSE int fd = dial();
	static const char text[] = "GET /much HTTP/1.1\r\n" HOST "\r\n";
	say(fd, text, sizeof(text) - 1);
	shutdown(fd, SHUT_WR);
	struct strbuf got AUTO(strbuf);
	strbuf_init(&got);
	assert_true(listen_to(fd, NULL, &got));
	assert_true(got.len > LARGE);
}

static bool is_served(void)
{
	struct strbuf got AUTO(strbuf);
	ask("GET /hello HTTP/1.1\r\n" CLOSE, &got);
	return strstr(got.buf, "hello you") != NULL;
}

static void those_who_never_ask_lock_nobody_out(void **state)
{
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	static int fds[FLOOD];
	for (unsigned i = 0; i < FLOOD; i++) {
		fds[i] = dial();
		say(fds[i], "GET / HT", i % 9); /* nothing, or half of a head */
		turn(1);
	}
	assert_true(is_served());
	struct httpd_stats stats;
	httpd_stats(server, &stats);
	assert_true(stats.connections <= HTTPD_CONNECTIONS);
	assert_true(stats.dropped >= FLOOD - HTTPD_CONNECTIONS);
	for (unsigned i = 0; i < FLOOD; i++)
		close(fds[i]);
	turn(FLOOD);
	httpd_stats(server, &stats);
	assert_int_equal(stats.connections, 0);
}

static void replies_that_nobody_reads_do_not_add_up(void **state)
{
	int fds[8];
	struct httpd_stats before, after;
	httpd_stats(server, &before);
	for (unsigned i = 0; i < 8; i++) {
		fds[i] = dial();
		static const char text[] = "GET /much HTTP/1.1\r\n" CLOSE;
		say(fds[i], text, sizeof(text) - 1);
		turn(20);
	}
	httpd_stats(server, &after);
	/* of 24 MiB, less what the kernel took, only 8 stay */
	assert_true(after.dropped - before.dropped >= 8 - HTTPD_WAITING / LARGE - 1);
	assert_true(is_served());
	struct strbuf got AUTO(strbuf);
	strbuf_init(&got);
	assert_true(listen_to(fds[7], NULL, &got)); /* the newest is whole */
	assert_true(got.len > LARGE);
	for (unsigned i = 0; i < 8; i++)
		close(fds[i]);
}

static void only_this_machine_is_listened_for(void **state)
{
	static const char *const wrong[] = { "0.0.0.0:0",      "192.0.2.1:0", "[::]:0",	       "[2001:db8::1]:0",
					     "::1:0",	       "example:0",   "127.0.0.1",     "127.0.0.1:65536",
					     "127.0.0.1:http", "unix:",	      "unix:relative", "",
					     "127.1:0" };
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct httpd *h = httpd_new(loop, routes, NULL);
		struct err *err AUTO(err) = httpd_listen(h, wrong[i]);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_ARG);
		httpd_free(h);
	}
	AUTO_FREE char *taken = xasprintf("127.0.0.1:%u", httpd_port(server));
	struct httpd *h = httpd_new(loop, routes, NULL);
	struct err *err AUTO(err) = httpd_listen(h, taken);
	assert_int_equal(err_code(err), ERR_WRITE);
	httpd_free(h);
}

static struct err *listen_at(const char *address, struct httpd **ret)
{
	*ret = httpd_new(loop, routes, NULL);
	return httpd_listen(*ret, address);
}

static void a_socket_of_a_path_serves_any_host(void **state)
{
	char directory[] = "/tmp/ullage-httpd-XXXXXX";
	assert_non_null(mkdtemp(directory));
	AUTO_FREE char *path = xasprintf("%s/socket", directory), *address = xasprintf("unix:%s", path);
	struct httpd *h, *second, *third;
	assert_null(listen_at(address, &h));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0660);
	struct err *err AUTO(err) = listen_at(address, &second); /* somebody listens */
	assert_int_equal(err_code(err), ERR_WRITE);
	httpd_free(second);

	struct sockaddr_un to = { .sun_family = AF_UNIX };
	memcpy(to.sun_path, path, strlen(path));
	AUTO_CLOSE int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	static const char text[] = "GET /hello HTTP/1.1\r\nHost: any.example.org\r\nConnection: close\r\n\r\n";
	say(fd, text, sizeof(text) - 1);
	struct strbuf got AUTO(strbuf);
	strbuf_init(&got);
	assert_true(listen_to(fd, NULL, &got));
	assert_non_null(strstr(got.buf, "hello you"));

	/* one that was killed leaves its file: it is taken over, and a file of another kind is not */
	AUTO_FREE char *aside = xasprintf("%s/aside", directory);
	rename(path, aside);
	httpd_free(h);
	rename(aside, path);
	assert_null(listen_at(address, &third));
	httpd_free(third);
	assert_int_equal(stat(path, &st), -1);
	assert_int_equal(mkdir(path, 0700), 0);
	struct err *other AUTO(err) = listen_at(address, &third);
	assert_int_equal(err_code(other), ERR_WRITE);
	httpd_free(third);
	rmdir(path);
	rmdir(directory);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_route_answers),
		cmocka_unit_test(head_is_get_without_the_body),
		cmocka_unit_test(problems_are_json),
		cmocka_unit_test(what_is_refused_ends_the_connection),
		cmocka_unit_test(a_head_has_a_ceiling),
		cmocka_unit_test(requests_of_one_connection_are_answered_in_turn),
		cmocka_unit_test(a_client_that_sends_no_more_is_answered),
		cmocka_unit_test(those_who_never_ask_lock_nobody_out),
		cmocka_unit_test(replies_that_nobody_reads_do_not_add_up),
		cmocka_unit_test(only_this_machine_is_listened_for),
		cmocka_unit_test(a_socket_of_a_path_serves_any_host),
	};
	return cmocka_run_group_tests(tests, begin, end);
}
