/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/snaptable - which member of a snapshot has which number in its file: one table a message, one row a member.
 *
 * The tables are the format: codec/snapfile reads and writes by them, docs/formats/snapshot.proto says the same for
 * people and is compared with them. A new member is one row with a new number; a number is never used again. A row
 * without a number is a member that is not in the file. Rows end with a row without a name.
 */

#include <stddef.h>
#include <stdint.h>

enum snap_kind {
	SNAP_LEFT_OUT, /* not in the file */
	SNAP_ARENA,    /* not in the file; where strings of this message and those inside live */
	SNAP_U64,      /* uint64_t, absent: ACCOUNT_UNKNOWN */
	SNAP_COUNT,    /* uint64_t, absent: 0 */
	SNAP_U32,      /* uint32_t, unsigned; absent: 0, and so for the further numbers */
	SNAP_INT,
	SNAP_I64,
	SNAP_BOOL,
	SNAP_DOUBLE,  /* absent: NAN */
	SNAP_STRING,  /* const char *, absent: NULL */
	SNAP_TEXT,    /* const char *, absent: "" */
	SNAP_STRINGS, /* struct str_vec */
	SNAP_NUMBERS, /* struct u32_vec */
	SNAP_ENUM,    /* as an unsigned below `limit` */
	SNAP_MESSAGE, /* a struct in place */
	SNAP_ROWS,    /* a vector of structs */
	SNAP_ARRAY,   /* an array of `limit` structs, used up to the first whose first member, a string, is NULL */
	SNAP_STACK,   /* a number among the stacks that stand before it, 0 the empty one */
	SNAP_STACKS,  /* struct stacks; strings of this message and those inside are interned there */
	SNAP_CLASS,   /* enum mem_class, as an index of the account's class_names */
	SNAP_CLASSES, /* uint64_t[CLASS_MAX_], pairs of class and bytes */
	SNAP_TOTALS,  /* struct account_class[CLASS_MAX_] */
	SNAP_NAMES,   /* the names of the classes; no member */
	SNAP_SAMPLES, /* the samples of a struct profile, with values and labels */
	SNAP_KIND_MAX_
};

struct snap_table;

struct snap_row {
	const char *name; /* of the member, and in the schema */
	uint32_t number;
	enum snap_kind kind;
	size_t offset, size;
	const struct snap_table *sub;
	uint32_t limit;
};

struct snap_table {
	const char *message; /* its name in the schema */
	size_t size;	     /* of the struct */
	const struct snap_row *rows;
};

extern const struct snap_table snap_table; /* the whole: struct snapshot */

/* What a row has in the schema beside those of a member: messages of the kinds that are no struct. */
extern const struct snap_table snap_table_frame;  /* struct frame: of SNAP_STACKS */
extern const struct snap_table snap_table_label;  /* struct profile_label: of SNAP_SAMPLES */
extern const struct snap_table snap_table_totals; /* struct account_class: of SNAP_TOTALS; number 1 is the class */
