/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * operand/options - one table of options per command: it parses, and it prints the help.
 *
 * Options may stand before or after the operands; "--" ends them. Rows end with a row without a name.
 * Values are members of the command's own struct, at `offset`; what was not given keeps its value.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/strbuf.h"
#include "base/vec.h"

enum option_kind {
	OPTION_FLAG,	 /* bool */
	OPTION_STR,	 /* const char *, borrowed from argv */
	OPTION_COUNT,	 /* uint64_t */
	OPTION_CHOICE,	 /* int: index into choices */
	OPTION_MS,	 /* int64_t nanoseconds, given in whole milliseconds, from 1 */
	OPTION_DURATION, /* int64_t nanoseconds, given as "30s", "2m", "1h" or "500ms"; from 10ms to a day */
	OPTION_SIZE,	 /* uint64_t bytes, given as "4096", "10M" or "10MiB" */
	OPTION_LIST,	 /* struct arg_vec: may be given several times; freed by options_free() */
};

struct option_row {
	const char *name; /* without the dashes */
	char letter;	  /* 0: none */
	enum option_kind kind;
	size_t offset;
	const char *arg;	    /* its name in the help; NULL for a flag */
	bool arg_optional;	    /* --name[=ARG] */
	int64_t fallback;	    /* the value without ARG */
	const char *const *choices; /* ends with NULL */
	const char *about;
};

VEC_TYPE(arg_vec, const char *);

/*
 * Options into `values`, operands into `rest` (borrowed from argv; to be freed with vec_deinit()). argv[0] is not
 * looked at. Parsing ends at --help, so that what follows cannot hide the help. Errors: ARG.
 */
MUST_CHECK struct err *options_parse(const struct option_row *rows, int argc, char **argv, void *values,
				     struct arg_vec *rest);

/* Was --help given? And what lists of values take, given back. */
bool options_ask_help(const struct option_row *rows, const void *values);
void options_free(const struct option_row *rows, void *values);

/* Two columns: the option, what it does. */
void options_help(const struct option_row *rows, struct strbuf *out);
