/* SPDX-License-Identifier: Apache-2.0 */
#include "net/post.h"

#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "net/address.h"

enum {
	CONNECT_MS = 10000,
	KEPT_CONNECTIONS = 16,
	RETRY_AFTER_MAX_S = 3600,
	MS_PER_S = 1000,
	HTTP_TIMEOUT = 408,
	HTTP_TOO_EARLY = 425,
	HTTP_TOO_MANY = 429,
};

struct http_posts {
	struct libcurl lib; /* once `multi` is there: when the first document is added */
	CURLM *multi;
	struct post *first, *ended; /* under way, over */
};

struct post {
	const struct libcurl *lib;
	struct post *next;
	CURL *curl;
	CURLU *url;
	struct curl_slist *headers;
	char *shown;
	char error[CURL_ERROR_SIZE];
	char answer[POST_ANSWER_MAX + 1];
	size_t n_answer;
	CURLcode code;
	unsigned timeout_ms;
	bool connect; /* nothing is sent */
	void *ctx;
};

struct http_posts *http_posts_new(void)
{
	return xcalloc(1, sizeof(struct http_posts));
}

static struct err *prepare_all(struct http_posts *p)
{
	if (p->multi)
		return NULL;
	TRY(libcurl_load(&p->lib));
	p->multi = p->lib.multi_init();
	if (!p->multi)
		return err_nomem();
	p->lib.multi_setopt(p->multi, CURLMOPT_MAXCONNECTS, (long)KEPT_CONNECTIONS);
	return NULL;
}

static void post_free(struct post *p)
{
	p->lib->easy_cleanup(p->curl);
	p->lib->slist_free_all(p->headers);
	p->lib->url_cleanup(p->url);
	free(p->shown);
	free(p);
}

static void unlink_post(struct http_posts *p, struct post *one)
{
	for (struct post **at = &p->first; *at; at = &(*at)->next) {
		if (*at == one) {
			*at = one->next;
			return;
		}
	}
}

static void drop_all(struct http_posts *p, struct post **list)
{
	while (*list) {
		struct post *one = *list;
		*list = one->next;
		p->lib.multi_remove_handle(p->multi, one->curl);
		post_free(one);
	}
}

void http_posts_free(struct http_posts *p)
{
	if (!p)
		return;
	drop_all(p, &p->first);
	drop_all(p, &p->ended);
	if (p->multi)
		p->lib.multi_cleanup(p->multi);
	free(p);
}

/* ---- one document ---- */

static size_t receive(char *data, size_t size, size_t n, void *ctx)
{
	struct post *p = ctx;
	size_t len = size * n, room = POST_ANSWER_MAX - p->n_answer;
	memcpy(p->answer + p->n_answer, data, len < room ? len : room);
	p->n_answer += len < room ? len : room;
	return len;
}

static bool header_safe(const char *token)
{
	for (const char *s = token; *s; s++) {
		if ((unsigned char)*s <= ' ' || (unsigned char)*s > '~')
			return false;
	}
	return *token != 0;
}

static void header(struct post *p, const char *line)
{
	struct curl_slist *more = p->lib->slist_append(p->headers, line);
	if (more)
		p->headers = more;
}

static bool prepare(struct post *p, const struct http_post *post)
{
	const struct libcurl *lib = p->lib;
	CURL *c = p->curl;
	bool ok = lib->easy_setopt(c, CURLOPT_CURLU, p->url) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_PROXY, address_proxy(lib, p->url)) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)post->timeout_ms) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)CONNECT_MS) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_USERAGENT, "ullage/" ULLAGE_VERSION) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_WRITEDATA, p) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_ERRORBUFFER, p->error) == CURLE_OK &&
		  lib->easy_setopt(c, CURLOPT_PRIVATE, p) == CURLE_OK;
	if (!ok || p->connect)
		return ok && lib->easy_setopt(c, CURLOPT_CONNECT_ONLY, 1L) == CURLE_OK;
	return lib->easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)post->len) == CURLE_OK &&
	       lib->easy_setopt(c, CURLOPT_COPYPOSTFIELDS, post->body) == CURLE_OK &&
	       lib->easy_setopt(c, CURLOPT_HTTPHEADER, p->headers) == CURLE_OK;
}

static struct err *begin(struct http_posts *posts, struct post *p, const struct http_post *post)
{
	TRY(address_parse(p->lib, post->url, &p->url, &p->shown));
	if (post->token && !header_safe(post->token))
		return err_new(ERR_ARG, "%s: the token is empty, or has characters that no header can hold", p->shown);
	header(p, "Content-Type: application/json");
	header(p, "Accept: application/json");
	header(p, "Expect:"); /* no round trip to ask whether it may be sent */
	if (post->token) {
		AUTO_FREE char *line = xasprintf("Authorization: Bearer %s", post->token);
		header(p, line);
	}
	p->curl = p->lib->easy_init();
	if (!p->curl)
		return err_nomem();
	if (!prepare(p, post) || p->lib->multi_add_handle(posts->multi, p->curl) != CURLM_OK)
		return err_new(ERR_INTERNAL, "libcurl does not know an option that it should");
	return NULL;
}

struct err *http_posts_add(struct http_posts *posts, const struct http_post *post)
{
	TRY(prepare_all(posts));
	struct post *p = xcalloc(1, sizeof(*p));
	p->lib = &posts->lib;
	p->timeout_ms = post->timeout_ms;
	p->connect = !post->body;
	p->ctx = post->ctx;
	struct err *err = begin(posts, p, post);
	if (err) {
		post_free(p);
		return err;
	}
	p->next = posts->first;
	posts->first = p;
	return NULL;
}

/* ---- moving on ---- */

static void move_on(struct http_posts *p)
{
	int running = 0, left = 0;
	p->lib.multi_perform(p->multi, &running);
	for (const CURLMsg *m; (m = p->lib.multi_info_read(p->multi, &left));) {
		struct post *one = NULL;
		if (m->msg != CURLMSG_DONE || p->lib.easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &one) != CURLE_OK)
			continue;
		one->code = m->data.result;
		unlink_post(p, one);
		one->next = p->ended;
		p->ended = one;
	}
}

void http_posts_wait(struct http_posts *p, int fd, int timeout_ms)
{
	int ready = 0;
	struct curl_waitfd also = { .fd = fd, .events = CURL_WAIT_POLLIN };
	if (!p->multi) { /* nothing was ever added */
		(void)poll(&(struct pollfd){ .fd = fd, .events = POLLIN }, 1, timeout_ms);
		return;
	}
	move_on(p);
	p->lib.multi_poll(p->multi, fd >= 0 ? &also : NULL, fd >= 0, p->ended ? 0 : timeout_ms, &ready);
	move_on(p);
}

/* Of no use to ask again for: it will be the same. */
static bool is_final(CURLcode code)
{
	return code == CURLE_URL_MALFORMAT || code == CURLE_PEER_FAILED_VERIFICATION ||
	       code == CURLE_UNSUPPORTED_PROTOCOL || code == CURLE_SSL_CACERT_BADFILE;
}

static void no_answer(const struct post *p, struct http_posted *ret)
{
	ret->again = !is_final(p->code);
	if (p->code == CURLE_OPERATION_TIMEDOUT)
		snprintf(ret->text, sizeof(ret->text), "timed out after %.3g s", p->timeout_ms / (double)MS_PER_S);
	else
		snprintf(ret->text, sizeof(ret->text), "%.300s", *p->error ? p->error : p->lib->easy_strerror(p->code));
}

static void take_answer(const struct post *p, struct http_posted *ret)
{
	curl_off_t wait = 0;
	ret->ok = ret->status / 100 == 2;
	ret->again = ret->status / 100 == 5 || ret->status == HTTP_TIMEOUT || ret->status == HTTP_TOO_EARLY ||
		     ret->status == HTTP_TOO_MANY;
	if (p->lib->easy_getinfo(p->curl, CURLINFO_RETRY_AFTER, &wait) == CURLE_OK && wait > 0)
		ret->retry_after_s = wait < RETRY_AFTER_MAX_S ? (unsigned)wait : RETRY_AFTER_MAX_S;
	if (ret->ok)
		snprintf(ret->text, sizeof(ret->text), "HTTP %ld", ret->status);
	else if (ret->status / 100 == 3)
		snprintf(ret->text, sizeof(ret->text), "HTTP %ld: it sends us elsewhere, where nothing is sent",
			 ret->status);
	else
		snprintf(ret->text, sizeof(ret->text), "HTTP %ld%s%.*s", ret->status, p->n_answer ? ": " : "",
			 (int)strcspn(p->answer, "\r\n"), p->answer);
}

bool http_posts_next(struct http_posts *posts, struct http_posted *ret)
{
	struct post *p = posts->ended;
	if (!p)
		return false;
	posts->ended = p->next;
	*ret = (struct http_posted){ .ctx = p->ctx };
	p->lib->easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &ret->status);
	if (p->code != CURLE_OK) {
		ret->status = 0;
		no_answer(p, ret);
	} else if (p->connect) {
		ret->ok = true;
		snprintf(ret->text, sizeof(ret->text), "connected");
	} else {
		take_answer(p, ret);
	}
	p->lib->multi_remove_handle(posts->multi, p->curl);
	post_free(p);
	return true;
}
