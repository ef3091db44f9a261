/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * jvm/work - what the parts of jvm/owners work on.
 */

#include "graph/paths.h"
#include "jvm/container.h"
#include "jvm/plan.h"
#include "jvm/root.h"
#include "model/snapshot.h"

enum { JVM_CONTAINERS_MAX = 2000 }; /* rows of maps and waste: the largest */

struct jvm_ranked_root {
	struct owners_root root;
	uint32_t number; /* of the graph's root */
};

struct jvm_work {
	struct jvm_heap *heap;
	struct snapshot *snapshot;
	struct arena *arena; /* of the snapshot */
	struct owners *out;
	struct jvm_root_vec roots;
	struct dominators dominators;
	struct retain retain;
	uint32_t n_classes, n_kinds;
	const char **text;	/* by kind; NULL: not needed yet */
	uint32_t *alike;	/* by kind: classes as objects are all java.lang.Class */
	struct jvm_part *parts; /* by class */
	uint32_t *root_of;	/* root of the graph -> row in out->roots */
	const char **root_text; /* by row: how a path begins */
};

/* The kind of an object: its class; those of classes that may be unloaded as objects follow. */
uint32_t jvm_kind_of(const struct jvm_work *w, uint32_t object);
struct retain_step jvm_step_of(const struct jvm_work *w, uint32_t holder, uint32_t kind, uint32_t word);

/* The name of a kind, for people. */
const char *jvm_kind_text(void *ctx, uint32_t kind);
/* The text of the way to a node of w->retain; NULL where it is no path. */
const char *jvm_node_text(struct jvm_work *w, uint32_t node);

/* Kinds, fields and roots in words. */
struct paths_words jvm_words(struct jvm_work *w);

/* Maps and lists with room that they do not use: .maps and .waste. jvm/fill.c */
void jvm_containers_fill(struct jvm_work *w);

/* The shortest ways to objects of a type, in place of .paths. jvm/reach.c */
MUST_CHECK struct err *jvm_reach_fill(struct jvm_work *w, const char *type);
