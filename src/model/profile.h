/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/profile - samples by call stack, in the shape of a pprof profile: what codec/pprof reads and writes, what
 * the heap profile of a live process is, what flame graphs and diffs are made of.
 *
 * Plain data. Strings are interned in stacks.strings. Everything dies with profile_deinit().
 * Row i of `samples` has the values values.v[i * n_types .. i * n_types + n_types - 1]. Values may be negative in diffs.
 */

#include "model/account.h"
#include "model/stack.h"

enum { PROFILE_TYPES_MAX = 16 };

struct profile_type {
	const char *type, *unit; /* "inuse_space", "bytes" */
};

struct profile_label {
	const char *key;
	const char *text; /* NULL: a number */
	int64_t number;
	const char *unit; /* of the number, may be "" */
};

struct profile_sample {
	uint32_t stack;
	uint32_t label_at, label_n; /* in `labels` */
};

struct profile_mapping {
	uint64_t start, limit, offset;
	const char *file, *build_id; /* "" = unknown */
};

VEC_TYPE(profile_sample_vec, struct profile_sample);
VEC_TYPE(profile_label_vec, struct profile_label);
VEC_TYPE(profile_mapping_vec, struct profile_mapping);
VEC_TYPE(i64_vec, int64_t);

struct profile {
	struct stacks stacks;
	struct profile_type types[PROFILE_TYPES_MAX];
	size_t n_types;
	struct profile_sample_vec samples;
	struct i64_vec values;
	struct profile_label_vec labels;
	struct profile_mapping_vec mappings; /* the first is the main binary */
	struct str_vec comments;
	struct profile_type period_type; /* NULLs: none */
	int64_t period;
	const char *default_type; /* name of one of the types, or NULL: the last */
	int64_t time_unix_ns;	  /* 0 = unknown */
	int64_t duration_ns;
};

void profile_init(struct profile *p);
void profile_deinit(struct profile *p);
void profile_type_add(struct profile *p, const char *type, const char *unit); /* before the first sample */

/* A new sample with n_types zeros; the values' address is valid until the next one. */
int64_t *profile_sample_add(struct profile *p, uint32_t stack);

/* A label of the sample added last. */
void profile_label_text(struct profile *p, const char *key, const char *text);
void profile_label_number(struct profile *p, const char *key, int64_t number, const char *unit);

/* Index of the type of this name; -1 when there is none. NULL: the default type. */
int profile_type_find(const struct profile *p, const char *type);

static inline const int64_t *profile_values(const struct profile *p, size_t sample)
{
	return &p->values.v[sample * p->n_types];
}

static inline void profile_auto(struct profile *p)
{
	profile_deinit(p);
}
