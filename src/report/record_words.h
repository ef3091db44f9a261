/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * report/record_words - sums of a record by what its rows are, and its figures in words.
 */

#include "report/record.h"

/* Rows that may be added up with each other. */
enum record_part {
	RECORD_PART_MALLOC,   /* blocks of a C allocator */
	RECORD_PART_MAP,      /* mapped by the program or a library */
	RECORD_PART_ARENA,    /* mapped by a C allocator, for its blocks */
	RECORD_PART_RUNTIME,  /* mapped by the Go runtime */
	RECORD_PART_RESIDENT, /* faulted in, outside what the Go runtime maps */
	RECORD_PART_TOUCHED,  /* faulted in of what the Go runtime maps */
	RECORD_PART_GO,	      /* allocated on the Go heap */
	RECORD_PART_MAX_
};

extern const char *const record_part_keys[RECORD_PART_MAX_]; /* of JSON */

struct record_sum {
	uint64_t bytes, low, high, count;
	uint64_t resident, untouched; /* bytes of mappings; resident ACCOUNT_UNKNOWN: of none */
	uint64_t total, peak;	      /* taken in the window; ACCOUNT_UNKNOWN: of none */
	size_t rows;		      /* outstanding */
};

struct record_sums {
	struct record_sum v[RECORD_PART_MAX_];
};

enum record_part record_part(const struct record *r, const struct record_row *row);
void record_sum(const struct record *r, struct record_sums *ret);

/* Is there anything of the row at the end of the window? */
static inline bool record_outstanding(const struct record_row *row)
{
	return row->high_bytes > 0 || row->bytes > 0;
}

/* "12.3 MiB", or "12.3 MiB (11.8 to 12.9 MiB)" where the truth is an interval. Appended. */
void record_size_words(uint64_t bytes, uint64_t low, uint64_t high, struct strbuf *out);

/* "1.23 MiB/s", an hour's worth where a second's is too small to read. Appended; nothing without a window. */
void record_rate_words(const struct record *r, uint64_t bytes, struct strbuf *out);

/* "main.resize (resize.go:33) calling image_open": who took it. Appended. */
void record_site_words(const struct record *r, uint32_t stack, struct strbuf *out);
