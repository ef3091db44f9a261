/* SPDX-License-Identifier: Apache-2.0 */
#include "base/err.h"

#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct err {
	enum err_code code;
	bool is_static;
	char *text;
};

static struct err nomem = { ERR_NOMEM, true, (char[]){ "out of memory" } };
static struct err gone = { ERR_GONE, true, (char[]){ "the process is gone" } };

static struct err *make(enum err_code code, char *text)
{
	struct err *err = malloc(sizeof(*err));
	if (!err || !text) {
		free(err);
		free(text);
		return &nomem;
	}
	*err = (struct err){ .code = code, .text = text };
	return err;
}

struct err *err_new(enum err_code code, const char *fmt, ...)
{
	char *text = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		text = NULL;
	va_end(ap);
	return make(code, text);
}

static enum err_code code_of_errno(int os)
{
	switch (os) {
	case ESRCH:
		return ERR_GONE;
	case EACCES:
	case EPERM:
		return ERR_DENIED;
	case ENOMEM:
		return ERR_NOMEM;
	default:
		return ERR_OS;
	}
}

struct err *err_os(int os, const char *fmt, ...)
{
	char *what = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&what, fmt, ap) < 0)
		what = NULL;
	va_end(ap);
	char *text = NULL;
	/* Who reads of one that ended meanwhile reads the same, whichever call met it. */
	const char *why = os == ESRCH ? gone.text : strerrordesc_np(os);
	if (what && asprintf(&text, "%s: %s", what, why) < 0)
		text = NULL;
	free(what);
	return make(code_of_errno(os), text);
}

struct err *err_wrap(struct err *err, const char *fmt, ...)
{
	if (!err)
		return NULL;
	char *front = NULL;
	va_list ap;
	va_start(ap, fmt);
	if (vasprintf(&front, fmt, ap) < 0)
		front = NULL;
	va_end(ap);
	char *text = NULL;
	if (front && asprintf(&text, "%s: %s", front, err->text) < 0)
		text = NULL;
	free(front);
	if (!text)
		return err; /* keep what we know */
	struct err *out = make(err->code, text);
	err_free(err);
	return out;
}

struct err *err_recode(struct err *err, enum err_code code)
{
	if (!err)
		return NULL;
	if (err->is_static)
		return err_new(code, "%s", err->text);
	err->code = code;
	return err;
}

struct err *err_nomem(void)
{
	return &nomem;
}

struct err *err_gone(void)
{
	return &gone;
}

enum err_code err_code(const struct err *err)
{
	return err->code;
}

const char *err_text(const struct err *err)
{
	return err->text;
}

void err_free(struct err *err)
{
	if (!err || err->is_static)
		return;
	free(err->text);
	free(err);
}
