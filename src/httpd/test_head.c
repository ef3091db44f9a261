/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/head.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "base/strbuf.h"

#define GET "GET / HTTP/1.1\r\n"
#define HOST "Host: localhost\r\n"

static enum head_fault parse_bytes(const char *text, size_t len)
{
	assert_int_equal(head_length(text, len, 0), len);
	AUTO_FREE char *copy = xmalloc(len + 1);
	memcpy(copy, text, len);
	copy[len] = '\0';
	struct head head;
	return head_parse(copy, len, &head);
}

/* Requests as they came over the wire, and what becomes of them. */
static const struct {
	const char *text;
	enum head_fault fault;
} cases[] = {
	{ GET HOST "\r\n", HEAD_OK },
	{ "GET /a?b=c HTTP/1.0\r\n\r\n", HEAD_OK },
	{ "GET http://127.0.0.1:9723/metrics HTTP/1.1\r\n" HOST "\r\n", HEAD_OK },
	{ GET HOST "Content-Length: 0\r\n\r\n", HEAD_OK },
	{ GET HOST "X-Empty:\r\n\r\n", HEAD_OK },
	{ GET HOST "X: caf\xc3\xa9\tz\r\n\r\n", HEAD_OK },
	{ "DELETE / HTTP/1.1\r\n" HOST "\r\n", HEAD_OK }, /* the form is right: a method is judged later */
	{ "GET / HTTP/1.1\n", HEAD_BARE_LF },
	{ GET "Host: localhost\n", HEAD_BARE_LF },
	{ GET HOST "X: a\rb\r\n\r\n", HEAD_CONTROL },
	{ GET HOST "X: a\x01\r\n\r\n", HEAD_CONTROL },
	{ GET HOST "X: a\x7f\r\n\r\n", HEAD_CONTROL },
	{ "\r\n\r\n", HEAD_REQUEST_LINE },
	{ "GET /\r\n\r\n", HEAD_REQUEST_LINE },
	{ "GET  / HTTP/1.1\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "GET / HTTP/1.1 \r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "GET / x HTTP/1.1\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ " GET / HTTP/1.1\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "GET\t/\tHTTP/1.1\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "G(T / HTTP/1.1\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "GET / http/1.1\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "GET / HTTP/1.10\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "GET / HTTP/11\r\n" HOST "\r\n", HEAD_REQUEST_LINE },
	{ "PRI * HTTP/2.0\r\n\r\n", HEAD_VERSION },
	{ "GET / HTTP/0.9\r\n\r\n", HEAD_VERSION },
	{ "OPTIONS * HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "CONNECT localhost:1 HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "GET metrics HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "GET /#a HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "GET /\xc3\xa9 HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "GET http://localhost HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "GET http:///metrics HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ "GET https://localhost/ HTTP/1.1\r\n" HOST "\r\n", HEAD_TARGET_FORM },
	{ GET "Host : localhost\r\n\r\n", HEAD_FIELD },
	{ GET HOST "Content-Length : 0\r\n\r\n", HEAD_FIELD },
	{ GET HOST "no colon\r\n\r\n", HEAD_FIELD },
	{ GET HOST ": nameless\r\n\r\n", HEAD_FIELD },
	{ GET HOST "X\xc3: a\r\n\r\n", HEAD_FIELD },
	{ GET HOST "X: a\r\n folded\r\n\r\n", HEAD_FOLDED },
	{ GET " Host: localhost\r\n\r\n", HEAD_FOLDED },
	{ GET "\r\n", HEAD_NO_HOST },
	{ GET "Connection: close\r\n\r\n", HEAD_NO_HOST },
	{ GET HOST HOST "\r\n", HEAD_HOSTS },
	{ GET "Host:\r\n\r\n", HEAD_HOSTS },
	{ "GET http://localhost/ HTTP/1.1\r\n\r\n", HEAD_NO_HOST },
	{ GET HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length: 0, 0\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length: +3\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length: -1\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length: 0x3\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length:\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n", HEAD_LENGTH },
	{ GET HOST "Content-Length: 3\r\n\r\n", HEAD_BODY },
	{ GET HOST "Content-Length: 99999999999999999999999\r\n\r\n", HEAD_BODY },
	{ GET HOST "Transfer-Encoding: chunked\r\n\r\n", HEAD_CODING },
	{ GET HOST "Transfer-Encoding: xchunked\r\n\r\n", HEAD_CODING },
	{ GET HOST "Expect: 100-continue\r\n\r\n", HEAD_EXPECT },
};

static void heads_are_taken_only_as_the_rfc_has_them(void **state)
{
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		enum head_fault fault = parse_bytes(cases[i].text, strlen(cases[i].text));
		if (fault != cases[i].fault)
			print_error("%s", cases[i].text);
		assert_int_equal(fault, cases[i].fault);
	}
	static const char nul[] = GET "Host: local\0host\r\n\r\n";
	assert_int_equal(parse_bytes(nul, sizeof(nul) - 1), HEAD_CONTROL);
}

static void every_fault_has_an_answer(void **state)
{
	for (unsigned i = HEAD_OK + 1; i < HEAD_FAULTS; i++)
		assert_true(head_faults[i].status >= 400 && head_faults[i].code && head_faults[i].detail);
}

static void what_is_too_much_is_refused(void **state)
{
	struct strbuf many AUTO(strbuf), full AUTO(strbuf);
	strbuf_init(&many);
	strbuf_init(&full);
	strbuf_puts(&many, GET HOST);
	for (unsigned i = 1; i < HEAD_FIELDS; i++)
		strbuf_puts(&many, "A: b\r\n");
	strbuf_add(&full, many.buf, many.len);
	strbuf_puts(&full, "\r\n");
	assert_int_equal(parse_bytes(full.buf, full.len), HEAD_OK);
	strbuf_puts(&many, "A: b\r\n\r\n");
	assert_int_equal(parse_bytes(many.buf, many.len), HEAD_MANY);
	strbuf_clear(&full);
	strbuf_puts(&full, "GET /");
	for (unsigned i = 0; i < HEAD_TARGET; i++)
		strbuf_putc(&full, 'a');
	strbuf_puts(&full, " HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(parse_bytes(full.buf, full.len), HEAD_TARGET_LONG);
}

static void a_head_is_cut_into_its_parts(void **state)
{
	char text[] =
		"GET http://127.0.0.1:9723/metrics?a=b HTTP/1.1\r\nHost: elsewhere\r\nAccept: \t text/plain \t\r\n"
		"Accept: second\r\nConnection: keep-alive, Close\r\n\r\n";
	struct head head;
	assert_int_equal(head_parse(text, sizeof(text) - 1, &head), HEAD_OK);
	assert_string_equal(head.method, "GET");
	assert_string_equal(head.target, "/metrics?a=b");
	assert_string_equal(head.host, "127.0.0.1:9723"); /* the target's goes before the field */
	assert_string_equal(head.accept, "text/plain");
	assert_true(head.last && !head.old);
}

static void the_end_of_a_head_is_found_in_pieces(void **state)
{
	static const char text[] = GET HOST "\r\nGET /next";
	size_t end = sizeof(GET HOST "\r\n") - 1;
	size_t scanned = 0;
	for (size_t len = 0; len < end; len++) {
		assert_int_equal(head_length(text, len, scanned), 0);
		scanned = len;
	}
	assert_int_equal(head_length(text, end, scanned), end);
	assert_int_equal(head_length(text, sizeof(text) - 1, 0), end);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(heads_are_taken_only_as_the_rfc_has_them),
		cmocka_unit_test(every_fault_has_an_answer),
		cmocka_unit_test(what_is_too_much_is_refused),
		cmocka_unit_test(a_head_is_cut_into_its_parts),
		cmocka_unit_test(the_end_of_a_head_is_found_in_pieces),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
