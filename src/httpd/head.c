/* SPDX-License-Identifier: Apache-2.0 */
#include "httpd/head.h"

#include <string.h>
#include <strings.h>

const struct head_answer head_faults[HEAD_FAULTS] = {
	[HEAD_BARE_LF] = { 400, "bare-line-feed", "A line ends without a carriage return." },
	[HEAD_CONTROL] = { 400, "control-character", "There is a control character in the head." },
	[HEAD_REQUEST_LINE] = { 400, "request-line", "The request line is not METHOD TARGET HTTP/1.1." },
	[HEAD_VERSION] = { 505, "version", "Only HTTP/1.0 and HTTP/1.1 are spoken here." },
	[HEAD_TARGET_LONG] = { 414, "target-too-long", "The request target is longer than 4096 bytes." },
	[HEAD_TARGET_FORM] = { 400, "target-form", "The request target is no path, or is not encoded as it must be." },
	[HEAD_FIELD] = { 400, "field", "A header line is not NAME: VALUE." },
	[HEAD_FOLDED] = { 400, "folded-field", "A header line begins with a space." },
	[HEAD_MANY] = { 431, "too-many-fields", "There are more than 64 header lines." },
	[HEAD_LARGE] = { 431, "head-too-large", "The head is larger than 16 KiB." },
	[HEAD_NO_HOST] = { 400, "no-host", "There is no Host." },
	[HEAD_HOSTS] = { 400, "host", "There are two Hosts, or it is none." },
	[HEAD_HOST_FOREIGN] = { 421, "host-not-here", "The Host is not a loopback address or localhost." },
	[HEAD_LENGTH] = { 400, "content-length", "Content-Length is there twice, or is no number." },
	[HEAD_BODY] = { 413, "body", "A request here has no body." },
	[HEAD_CODING] = { 501, "transfer-encoding", "A request here has no body, and no Transfer-Encoding." },
	[HEAD_EXPECT] = { 417, "expect", "Nothing can be expected here." },
	[HEAD_METHOD] = { 405, "method", "Only GET and HEAD are answered here." },
};

size_t head_length(const char *data, size_t len, size_t from)
{
	for (size_t i = from; i < len; i++) {
		const char *lf = memchr(data + i, '\n', len - i);
		if (!lf)
			return 0;
		i = (size_t)(lf - data);
		if (i == 0 || data[i - 1] != '\r')
			return i + 1;
		if (i >= 3 && data[i - 2] == '\n' && data[i - 3] == '\r')
			return i + 1;
	}
	return 0;
}

static bool is_token(const char *s)
{
	static const char also[] = "!#$%&'*+-.^_`|~";
	const char *p = s;
	for (; *p; p++) {
		bool alnum = (*p >= '0' && *p <= '9') || ((*p | 0x20) >= 'a' && (*p | 0x20) <= 'z');
		if (!alnum && !strchr(also, *p))
			return false;
	}
	return p > s;
}

/* Takes the next line off *rest and ends it with NUL in place of its CRLF. */
static enum head_fault next_line(char **rest, char **ret)
{
	char *line = *rest, *lf = strchr(line, '\n');
	if (!lf || lf == line || lf[-1] != '\r')
		return HEAD_BARE_LF;
	lf[-1] = '\0';
	*rest = lf + 1;
	*ret = line;
	for (const char *p = line; *p; p++)
		if (((unsigned char)*p < 0x20 && *p != '\t') || *p == 0x7f)
			return HEAD_CONTROL;
	return HEAD_OK;
}

static enum head_fault check_version(const char *version, struct head *ret)
{
	if (strncmp(version, "HTTP/", 5) != 0 || strlen(version) != 8 || version[6] != '.' || version[5] < '0' ||
	    version[5] > '9' || version[7] < '0' || version[7] > '9')
		return HEAD_REQUEST_LINE;
	ret->old = ret->last = version[7] == '0'; /* a client of 1.0 gets one reply */
	return version[5] == '1' ? HEAD_OK : HEAD_VERSION;
}

/* "http://AUTHORITY/PATH" is the same as PATH with that Host, RFC 9112 3.2.2. */
static void split_absolute(struct head *ret)
{
	if (strncasecmp(ret->target, "http://", 7) != 0)
		return;
	char *authority = ret->target + 7;
	size_t n = strcspn(authority, "/?");
	if (!n || authority[n] != '/') /* what is left is no path, and refused as such */
		return;
	memmove(authority - 1, authority, n); /* room for the NUL between both */
	authority[n - 1] = '\0';
	ret->host = authority - 1;
	ret->target = authority + n;
}

static enum head_fault parse_request_line(char *line, struct head *ret)
{
	ret->method = strsep(&line, " ");
	ret->target = strsep(&line, " ");
	char *version = strsep(&line, " ");
	if (!version || line || !is_token(ret->method) || !*ret->target)
		return HEAD_REQUEST_LINE;
	enum head_fault fault = check_version(version, ret);
	if (fault)
		return fault;
	if (strlen(ret->target) > HEAD_TARGET)
		return HEAD_TARGET_LONG;
	for (const char *p = ret->target; *p; p++)
		if ((unsigned char)*p <= 0x20 || (unsigned char)*p >= 0x7f || *p == '#')
			return HEAD_TARGET_FORM;
	split_absolute(ret);
	return *ret->target == '/' ? HEAD_OK : HEAD_TARGET_FORM;
}

/* Is `token` among the comma-separated ones of value? */
static bool has_token(const char *value, const char *token)
{
	size_t len = strlen(token);
	while (*value) {
		value += strspn(value, " \t,");
		size_t n = strcspn(value, " \t,");
		if (n == len && strncasecmp(value, token, n) == 0)
			return true;
		value += n;
	}
	return false;
}

/* Fields that decide, while the head is read. */
struct seen {
	unsigned hosts, lengths, codings;
	bool absolute, body;
};

static enum head_fault take_field(const char *name, char *value, struct seen *seen, struct head *ret)
{
	if (strcasecmp(name, "Host") == 0) {
		seen->hosts++;
		if (!seen->absolute)
			ret->host = value;
	} else if (strcasecmp(name, "Content-Length") == 0) {
		seen->lengths++;
		size_t digits = strspn(value, "0123456789");
		if (!digits || value[digits])
			return HEAD_LENGTH;
		seen->body |= value[strspn(value, "0")] != '\0';
	} else if (strcasecmp(name, "Transfer-Encoding") == 0) {
		seen->codings++;
	} else if (strcasecmp(name, "Connection") == 0) {
		ret->last |= has_token(value, "close");
	} else if (strcasecmp(name, "Accept") == 0 && !ret->accept) {
		ret->accept = value;
	} else if (strcasecmp(name, "Expect") == 0) {
		return HEAD_EXPECT;
	}
	return HEAD_OK;
}

static enum head_fault parse_field(char *line, struct seen *seen, struct head *ret)
{
	if (*line == ' ' || *line == '\t')
		return HEAD_FOLDED;
	char *value = line;
	const char *name = strsep(&value, ":");
	if (!value || !is_token(name))
		return HEAD_FIELD;
	value += strspn(value, " \t");
	for (size_t n = strlen(value); n && (value[n - 1] == ' ' || value[n - 1] == '\t'); n--)
		value[n - 1] = '\0';
	return take_field(name, value, seen, ret);
}

/* What the fields say together. */
static enum head_fault judge(const struct seen *seen, const struct head *head)
{
	if (seen->hosts > 1 || (seen->hosts && !*head->host))
		return HEAD_HOSTS;
	if (!seen->hosts && !head->old)
		return HEAD_NO_HOST;
	if (seen->lengths > 1 || (seen->lengths && seen->codings))
		return HEAD_LENGTH;
	if (seen->codings)
		return HEAD_CODING;
	return seen->body ? HEAD_BODY : HEAD_OK;
}

enum head_fault head_parse(char *text, size_t len, struct head *ret)
{
	*ret = (struct head){ 0 };
	if (memchr(text, '\0', len))
		return HEAD_CONTROL;
	char *rest = text, *line = NULL;
	enum head_fault fault = next_line(&rest, &line);
	if (!fault)
		fault = parse_request_line(line, ret);
	struct seen seen = { .absolute = ret->host != NULL };
	for (unsigned n = 0; !fault; n++) {
		fault = next_line(&rest, &line);
		if (!fault && !*line)
			return judge(&seen, ret);
		if (!fault)
			fault = n < HEAD_FIELDS ? parse_field(line, &seen, ret) : HEAD_MANY;
	}
	return fault;
}
