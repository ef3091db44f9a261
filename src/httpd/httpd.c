/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/httpd.h"

#include <errno.h>
#include <event2/event.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>

#include "base/alloc.h"
#include "base/json.h"
#include "httpd/address.h"
#include "httpd/conn.h"
#include "httpd/uri.h"

enum { ACCEPTS = 64 }; /* in one turn of the loop: others get theirs */

struct httpd {
	struct event_base *loop;
	const struct httpd_route *routes;
	void *arg;
	struct address address;
	struct event *accepts, *resume;
	struct conns conns;
	uint64_t requests, refused;
};

const char *httpd_query(const struct httpd_request *request, const char *key)
{
	for (size_t i = 0; i < request->uri->n; i++)
		if (strcmp(request->uri->parameters[i].key, key) == 0)
			return request->uri->parameters[i].value;
	return NULL;
}

bool httpd_parameter(const struct httpd_request *request, size_t i, const char **key, const char **value)
{
	if (i >= request->uri->n)
		return false;
	*key = request->uri->parameters[i].key;
	*value = request->uri->parameters[i].value;
	return true;
}

static const char *reason(int status)
{
	static const struct {
		int status;
		const char *reason;
	} reasons[] = {
		{ 200, "OK" },
		{ 304, "Not Modified" },
		{ 400, "Bad Request" },
		{ 403, "Forbidden" },
		{ 404, "Not Found" },
		{ 405, "Method Not Allowed" },
		{ 413, "Content Too Large" },
		{ 414, "URI Too Long" },
		{ 417, "Expectation Failed" },
		{ 421, "Misdirected Request" },
		{ 431, "Request Header Fields Too Large" },
		{ 500, "Internal Server Error" },
		{ 501, "Not Implemented" },
		{ 503, "Service Unavailable" },
		{ 505, "HTTP Version Not Supported" },
	};
	for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

void httpd_problem(struct httpd_reply *reply, int status, const char *code, const char *detail)
{
	reply->status = status;
	reply->type = "application/problem+json";
	strbuf_clear(&reply->body);
	struct json j;
	json_init(&j, &reply->body);
	json_object(&j, NULL);
	json_str(&j, "type", "about:blank");
	json_str(&j, "title", reason(status));
	json_i64(&j, "status", status);
	json_str(&j, "code", code);
	json_str(&j, "detail", detail);
	json_object_end(&j);
	strbuf_putc(&reply->body, '\n');
}

static void put_date(struct event_base *loop, struct strbuf *out)
{
	struct timeval now; /* as of this turn of the loop */
	struct tm tm;
	char text[40];
	event_base_gettimeofday_cached(loop, &now);
	gmtime_r(&now.tv_sec, &tm);
	strftime(text, sizeof(text), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	strbuf_puts(out, text);
}

/* Nothing here is for a page of another origin, for a cache, or to be guessed at. */
static const char safety[] =
	"Cache-Control: no-store\r\n"
	"X-Content-Type-Options: nosniff\r\n"
	"Cross-Origin-Resource-Policy: same-origin\r\n"
	"Content-Security-Policy: default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'\r\n";

static void send_reply(struct httpd *h, struct conn *c, struct httpd_reply *reply, bool no_body, bool last)
{
	struct strbuf head AUTO(strbuf);
	strbuf_init(&head);
	strbuf_printf(&head, "HTTP/1.1 %d %s\r\n", reply->status, reason(reply->status));
	put_date(h->loop, &head);
	strbuf_printf(&head, "Content-Type: %s\r\nContent-Length: %zu\r\n%s", reply->type, reply->body.len, safety);
	if (reply->status == 405)
		strbuf_puts(&head, "Allow: GET, HEAD\r\n");
	strbuf_puts(&head, last ? "Connection: close\r\n\r\n" : "\r\n");
	size_t len = no_body ? 0 : reply->body.len;
	conn_reply(c, head.buf, head.len, no_body ? NULL : strbuf_take(&reply->body), len, last);
}

/* The route of the longest path that fits. */
static const struct httpd_route *find_route(const struct httpd *h, const char *path, const char **tail)
{
	const struct httpd_route *found = NULL;
	size_t longest = 0;
	for (const struct httpd_route *r = h->routes; r->path; r++) {
		size_t n = strlen(r->path);
		bool below = n > 1 && r->path[n - 1] == '/';
		if (n > longest && (below ? strncmp(path, r->path, n) == 0 : strcmp(path, r->path) == 0)) {
			found = r;
			longest = n;
		}
	}
	*tail = path + longest;
	return found;
}

static void route(struct httpd *h, const struct head *head, const struct uri *uri, struct httpd_reply *reply)
{
	struct httpd_request request = { .path = uri->path, .accept = head->accept ? head->accept : "", .uri = uri };
	const struct httpd_route *r = find_route(h, uri->path, &request.tail);
	if (r) {
		h->requests++;
		r->handle(h->arg, &request, reply);
		return;
	}
	h->refused++;
	httpd_problem(reply, 404, "no-such-path", "There is nothing at this path: / has a list of what there is.");
}

static enum head_fault check_host(const struct httpd *h, const struct head *head)
{
	if (!head->host)
		return HEAD_OK;
	if (!uri_is_authority(head->host))
		return HEAD_HOSTS;
	/* whoever may open the socket's path need not name anything */
	return h->address.path || uri_is_loopback(head->host) ? HEAD_OK : HEAD_HOST_FOREIGN;
}

static enum head_fault parse(struct httpd *h, char *text, size_t len, struct head *head, struct uri *uri)
{
	enum head_fault fault = head_parse(text, len, head);
	bool asks_for_body = fault == HEAD_BODY || fault == HEAD_CODING || fault == HEAD_EXPECT;
	/* Who sends a body sends it with a method that is not for here: that is what to tell. */
	if ((!fault || asks_for_body) && strcmp(head->method, "GET") != 0 && strcmp(head->method, "HEAD") != 0)
		return HEAD_METHOD;
	if (!fault)
		fault = check_host(h, head);
	if (!fault && !uri_parse(head->target, uri))
		fault = HEAD_TARGET_FORM;
	return fault;
}

static void answer(void *arg, struct conn *c, char *text, size_t len, enum head_fault fault)
{
	struct httpd *h = arg;
	struct head head = { 0 };
	struct uri uri;
	struct httpd_reply reply = { .status = 200, .type = "text/plain; charset=utf-8" };
	strbuf_init(&reply.body);
	if (!fault)
		fault = parse(h, text, len, &head, &uri);
	bool no_body = head.method && strcmp(head.method, "HEAD") == 0;
	if (fault) { /* where the next request would begin is anybody's guess */
		h->refused++;
		httpd_problem(&reply, head_faults[fault].status, head_faults[fault].code, head_faults[fault].detail);
	} else {
		route(h, &head, &uri, &reply);
	}
	send_reply(h, c, &reply, no_body, fault || head.last);
	strbuf_deinit(&reply.body);
}

static void on_accept(int fd, short what, void *arg)
{
	struct httpd *h = arg;
	for (unsigned i = 0; i < ACCEPTS; i++) {
		int client = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (client >= 0)
			conns_add(&h->conns, client, h->address.port != 0);
		else if (errno != EMFILE && errno != ENFILE && errno != ENOBUFS && errno != ENOMEM)
			return; /* there is none any more */
		else if (!conns_drop_one(&h->conns)) {
			event_del(h->accepts); /* descriptors are short elsewhere: not again and again meanwhile */
			event_add(h->resume, &(struct timeval){ .tv_sec = 1 });
			return;
		}
	}
}

static void on_resume(int fd, short what, void *arg)
{
	struct httpd *h = arg;
	event_add(h->accepts, NULL);
}

struct httpd *httpd_new(struct event_base *loop, const struct httpd_route *routes, void *arg)
{
	struct httpd *h = xcalloc(1, sizeof(*h));
	*h = (struct httpd){ .loop = loop, .routes = routes, .arg = arg, .address.fd = -1 };
	conns_init(&h->conns, loop);
	h->conns.answer = answer;
	h->conns.arg = h;
	return h;
}

struct err *httpd_listen(struct httpd *h, const char *address)
{
	TRY(address_listen(address, &h->address));
	h->accepts = event_new(h->loop, h->address.fd, EV_READ | EV_PERSIST, on_accept, h);
	h->resume = event_new(h->loop, -1, 0, on_resume, h);
	event_priority_set(h->accepts, event_base_get_npriorities(h->loop) - 1);
	event_add(h->accepts, NULL);
	return NULL;
}

unsigned httpd_port(const struct httpd *h)
{
	return h->address.port;
}

void httpd_stats(const struct httpd *h, struct httpd_stats *ret)
{
	*ret = (struct httpd_stats){
		.requests = h->requests,
		.refused = h->refused,
		.dropped = h->conns.dropped,
		.connections = h->conns.n,
	};
}

void httpd_free(struct httpd *h)
{
	if (!h)
		return;
	if (h->accepts) {
		event_free(h->accepts);
		event_free(h->resume);
	}
	conns_deinit(&h->conns);
	address_close(&h->address);
	free(h);
}
