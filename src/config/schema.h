/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/schema - the keys of a configuration, as tables: reading, checking and printing walk them.
 *
 * To add a key: a member of the struct in config/config.h, its default in config/defaults.c, a row here, and a line in
 * docs/examples/ullage.yaml (a test asks for it).
 */

#include "config/problems.h"

enum key_kind {
	KEY_BOOL,
	KEY_TEXT,	 /* const char *; NULL for null */
	KEY_NUMBER,	 /* double; NAN for null */
	KEY_THRESHOLD,	 /* the same, in the unit of the signal that its row is named after */
	KEY_SHARE,	 /* double */
	KEY_COUNT,	 /* unsigned */
	KEY_MS,		 /* unsigned, a duration */
	KEY_LONG_MS,	 /* uint64_t, a duration */
	KEY_BYTES,	 /* uint64_t */
	KEY_CHOICE,	 /* int: index into choices */
	KEY_CHOICE_TEXT, /* const char *: one of choices; NULL for null */
	KEY_WORDS,	 /* struct config_strings: a list of texts */
	KEY_GROUP,	 /* keys of their own, of the struct at `offset` */
	KEY_LIST,	 /* rows of `rows` */
	KEY_NAMED,	 /* rows of `rows`, each under its name, which is their first member */
	KEY_KINDS
};

struct key {
	const char *name;
	enum key_kind kind;
	size_t offset;
	double least, most;			/* of numbers, shares, counts, durations in ms, bytes */
	const char *const *choices;		/* end with NULL; of KEY_NAMED: names that there are */
	const struct key *keys;			/* of KEY_GROUP */
	const struct rows *rows;		/* of KEY_LIST and KEY_NAMED */
	bool nullable;				/* of texts and numbers: null may stand there */
	const char *(*wrong)(const char *text); /* what is wrong with a KEY_TEXT, or NULL; may be NULL */
	const char *about;
};

/* A list of structs: a vector, or an array with its count elsewhere. */
struct rows {
	const struct key *keys;
	size_t size;
	const void *start; /* a row before its keys are read; NULL: zero */
	size_t most;
	bool is_array;
	size_t count; /* of an array: offset of its count from the start of the struct that holds it */
};

extern const struct key schema[]; /* of struct config; every table ends with a NULL name */

/* The vector that a KEY_LIST's member is, whatever its rows are. */
VEC_TYPE(schema_vec, char);

/* Rows of a list: how many; the one at `i`; a new one, as `start` says. */
size_t schema_count(const struct key *key, const void *holder);
const void *schema_at(const struct key *key, const void *holder, size_t i);
void *schema_push(const struct key *key, void *holder);
void schema_clear(const struct key *key, void *holder); /* for lists that hold nothing of their own */
