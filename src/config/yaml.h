/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/yaml - a YAML text as a tree of nodes that know where they stand. libyaml's only door.
 *
 * One document, of at most CONFIG_DEPTH levels and CONFIG_NODES nodes. An alias gives the anchored node itself: a tree with
 * many of them is small here, and whoever walks it counts. Nodes live in the caller's arena.
 */

#include <stdbool.h>

#include "base/arena.h"

enum yaml_kind { YAML_TEXT, YAML_LIST, YAML_MAP };

struct yaml {
	enum yaml_kind kind;
	bool null;		 /* nothing, "~" or "null" without quotes */
	unsigned line, column;	 /* from 1 */
	const char *text;	 /* of a YAML_TEXT: without NUL or control characters */
	struct yaml_item *items; /* of the others, in order */
	bool open;		 /* while it is read */
};

struct yaml_item {
	const struct yaml *key; /* of a map: a YAML_TEXT */
	const struct yaml *value;
	struct yaml_item *next;
};

/* Why it is no tree. */
struct yaml_fault {
	unsigned line, column;
	const char *text; /* in the arena */
};

/* NULL with *fault filled when it is none; a YAML_TEXT that is null for an empty text. */
const struct yaml *yaml_read(const char *text, size_t len, struct arena *arena, struct yaml_fault *fault);
