/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/role - what a mapping is, by its name and its neighbours: which class its pages belong to unless something
 * better is known about them.
 */

#include "model/class.h"
#include "target/target.h"

enum role_kind {
	ROLE_ANON,  /* private memory without a name */
	ROLE_NAMED, /* private memory that the program or its runtime labelled */
	ROLE_HEAP,  /* brk */
	ROLE_STACK, /* of the main thread */
	ROLE_KERNEL,
	ROLE_SHM,
	ROLE_GO_IMAGE, /* the Go executable */
	ROLE_GO_BSS,
	ROLE_ELF, /* another executable or library */
	ROLE_ELF_BSS,
	ROLE_FILE, /* a mapped file */
};

struct role {
	enum role_kind kind;
	enum mem_class clean; /* of pages that are the file's */
	enum mem_class dirty; /* of private pages */
	const char *owner;    /* "libc.so.6", "[heap]"; NULL = by size */
	const char *label;    /* for people, in account.vmas */
};

/* One role for each of t->maps, in `ret` (an array of t->maps.n). Strings are literals or those of t->maps. */
void role_assign(const struct target *t, struct role *ret);
