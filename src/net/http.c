/* SPDX-License-Identifier: Apache-2.0 */
#include "net/http.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/alloc.h"
#include "net/address.h"

enum { STATUS_OK = 200, STATUS_NONE = 204 };

struct fetch {
	const struct libcurl *lib;
	CURL *curl;
	CURLU *url;
	char *shown; /* the address without user and password */
	struct strbuf *body;
	size_t before, max; /* length of the body before, and what may be added */
	bool too_much;
};

static void fetch_auto(struct fetch *f)
{
	f->lib->easy_cleanup(f->curl);
	f->lib->url_cleanup(f->url);
	free(f->shown);
}

/* Where the answer sends us becomes f->url, if we may go there. */
static struct err *follow(struct fetch *f)
{
	char *to = NULL;
	f->lib->easy_getinfo(f->curl, CURLINFO_REDIRECT_URL, &to);
	CURLU *next = f->lib->url_dup(f->url);
	bool ok = to && f->lib->url_set(next, CURLUPART_URL, to, 0) == CURLUE_OK &&
		  address_same_part(f->lib, f->url, next, CURLUPART_HOST) &&
		  (address_is_scheme(f->lib, next, "https") ||
		   (address_is_scheme(f->lib, f->url, "http") && address_is_scheme(f->lib, next, "http"))) &&
		  (address_same_part(f->lib, f->url, next, CURLUPART_PORT) ||
		   !address_same_part(f->lib, f->url, next, CURLUPART_SCHEME));
	if (!ok) {
		char *shown = address_shown(f->lib, next);
		struct err *err = err_new(ERR_NOT_FOUND, "%s: the server sends us on to %s, which is not followed",
					  f->shown, to ? shown : "nowhere");
		free(shown);
		f->lib->url_cleanup(next);
		return err;
	}
	f->lib->url_cleanup(f->url);
	f->url = next;
	return NULL;
}

/* ---- one answer ---- */

static size_t receive(char *data, size_t size, size_t n, void *ctx)
{
	struct fetch *f = ctx;
	size_t len = size * n;
	if (f->body->len - f->before + len > f->max) {
		f->too_much = true;
		return 0;
	}
	strbuf_add(f->body, data, len);
	return len;
}

static struct err *failed(const struct fetch *f, CURLcode code, const char *detail)
{
	static const struct {
		CURLcode code;
		enum err_code err;
	} rows[] = {
		{ CURLE_URL_MALFORMAT, ERR_ARG },
		{ CURLE_SSL_CONNECT_ERROR, ERR_FORMAT }, /* no TLS is spoken there */
		{ CURLE_PEER_FAILED_VERIFICATION, ERR_DENIED },
		{ CURLE_PARTIAL_FILE, ERR_FORMAT },
		{ CURLE_GOT_NOTHING, ERR_FORMAT },
		{ CURLE_WEIRD_SERVER_REPLY, ERR_FORMAT },
		{ CURLE_UNSUPPORTED_PROTOCOL, ERR_FORMAT }, /* an answer of HTTP/0.9 */
	};
	if (f->too_much)
		return err_new(ERR_LIMIT, "%s: the document has more than %zu bytes", f->shown, f->max);
	enum err_code as = ERR_NOT_FOUND; /* nobody there, no answer in time */
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		if (rows[i].code == code)
			as = rows[i].err;
	}
	return err_new(as, "%s: %s", f->shown, *detail ? detail : f->lib->easy_strerror(code));
}

static struct err *refused(const struct fetch *f, long status)
{
	enum err_code as = status == 401 || status == 403 ? ERR_DENIED : ERR_NOT_FOUND;
	return err_new(as, "%s: the server answered %ld", f->shown, status);
}

static struct err *prepare(struct fetch *f, const struct http_request *request)
{
	long timeout = (long)request->timeout_ms;
	CURL *c = f->curl;
	bool ok = f->lib->easy_setopt(c, CURLOPT_CURLU, f->url) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https") == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_PROXY, address_proxy(f->lib, f->url)) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_TIMEOUT_MS, timeout) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)HTTP_CONNECT_MS) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_NOSIGNAL, 1L) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)request->max) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_USERAGENT, "ullage/" ULLAGE_VERSION) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_WRITEFUNCTION, receive) == CURLE_OK &&
		  f->lib->easy_setopt(c, CURLOPT_WRITEDATA, f) == CURLE_OK;
	return ok ? NULL : err_new(ERR_INTERNAL, "libcurl does not know an option that it should");
}

/* Asks once; *again: the answer is to ask elsewhere, and f->url is where. */
static struct err *ask(struct fetch *f, const struct http_request *request, bool *again)
{
	char detail[CURL_ERROR_SIZE] = "";
	long status = 0;
	TRY(prepare(f, request));
	f->lib->easy_setopt(f->curl, CURLOPT_ERRORBUFFER, detail);
	CURLcode code = f->lib->easy_perform(f->curl);
	f->lib->easy_setopt(f->curl, CURLOPT_ERRORBUFFER, NULL);
	if (code == CURLE_FILESIZE_EXCEEDED)
		f->too_much = true;
	if (code != CURLE_OK)
		return failed(f, code, detail);
	f->lib->easy_getinfo(f->curl, CURLINFO_RESPONSE_CODE, &status);
	*again = status / 100 == 3;
	if (*again)
		return follow(f);
	return status == STATUS_OK || status == STATUS_NONE ? NULL : refused(f, status);
}

static void forget_body(struct fetch *f)
{
	f->body->len = f->before;
	f->body->buf[f->before] = 0;
}

struct err *http_get(const struct http_request *request, struct strbuf *body)
{
	struct libcurl lib;
	TRY(libcurl_load(&lib));
	AUTO(fetch) struct fetch f = { .lib = &lib, .body = body, .before = body->len, .max = request->max };
	bool again = true;
	TRY(address_parse(&lib, request->url, &f.url, &f.shown));
	f.curl = lib.easy_init();
	if (!f.curl)
		return err_nomem();
	struct err *err = NULL;
	for (unsigned i = 0; again && !err; i++) {
		forget_body(&f); /* of an answer that sent us on */
		err = i > HTTP_REDIRECTS_MAX
			      ? err_new(ERR_NOT_FOUND, "%s: more than %d redirects", f.shown, HTTP_REDIRECTS_MAX)
			      : ask(&f, request, &again);
	}
	if (err)
		forget_body(&f);
	return err;
}
