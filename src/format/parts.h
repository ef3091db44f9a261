/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * format/parts - small pieces that every format needs.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/json.h"
#include "model/snapshot.h"

/* "2025-11-21T09:57:03.120Z". Returns buf. */
enum { PARTS_TIME_LEN = 40 };
char *parts_time(int64_t unix_ns, char buf[PARTS_TIME_LEN]);
int64_t parts_now(void); /* wall clock, nanoseconds since 1970 */

/* The notes about one of the parts `about`, or about the whole, as "notes". */
void parts_notes(struct json *j, const struct snapshot *s, unsigned about);

/* "rw-p". Returns buf. */
enum { PARTS_PERMS_LEN = 5 };
char *parts_perms(unsigned vma_flags, char buf[PARTS_PERMS_LEN]);

/* The classes that apply to this process or have any number, by resident size, largest first. Returns how many. */
size_t parts_classes(const struct account *a, enum mem_class ret[CLASS_MAX_]);

/* The classes with resident bytes in a row of a mapping or a cell, largest first. Returns how many. */
size_t parts_vma_classes(const uint64_t bytes[CLASS_MAX_], enum mem_class ret[CLASS_MAX_]);

/* Length of the family in a class name: "go.heap" of "go.heap.live", "file" of "file.text". */
size_t parts_family(enum mem_class c);

/*
 * Length of the package in an owner that is a Go function, "net/http" of "net/http.(*conn).serve"; 0 where the owner
 * is no function: a library, a file, a thread, a remainder.
 */
size_t parts_package(enum mem_class c, const char *owner);
