/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * model/class - the classes that resident memory is divided into. One table, in the order of display.
 * Names are part of the command contract; dots are levels.
 */

#include <stdint.h>

enum mem_class {
	CLASS_GO_HEAP_LIVE,
	CLASS_GO_HEAP_DEAD,
	CLASS_GO_HEAP_FREE,
	CLASS_GO_HEAP_IDLE,
	CLASS_GO_STACK_INUSE,
	CLASS_GO_STACK_FREE,
	CLASS_GO_META_SPANS,
	CLASS_GO_META_CACHES,
	CLASS_GO_META_GC,
	CLASS_GO_META_PROFILE,
	CLASS_GO_META_OTHER,
	CLASS_GO_DATA,
	CLASS_FILE_TEXT,
	CLASS_FILE_DATA,
	CLASS_FILE_MAPPED,
	CLASS_C_HEAP,
	CLASS_C_HEAP_INUSE,
	CLASS_C_HEAP_FREE,
	CLASS_C_STACK,
	CLASS_C_STACK_CACHED,
	CLASS_MMAP_ANON,
	CLASS_SHM,
	CLASS_KERNEL,
	CLASS_UNEXPLAINED,
	CLASS_MAX_
};

struct mem_class_info {
	const char *name;  /* "go.heap.live" */
	const char *about; /* one line for people */
	const char *color; /* "#rrggbb", for pictures; members of one family share a hue */
};

extern const struct mem_class_info mem_classes[CLASS_MAX_];
