/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core/note - the notes of a core: those of Linux, and those that ullage adds to its own.
 *
 * Owner "ULLAGE", all numbers little endian:
 *   CORE_NOTE_ORIGIN  u64 version (1), flags (bit 0: structure only), wall, monotonic and boot clock in ns, start_ticks,
 *                     rss, stopped_ns; then the boot id as a string that ends with NUL
 *   CORE_NOTE_MAPS    a record for each mapping: u64 start, end, offset, inode; u32 dev_major, dev_minor, flags (enum
 *                     vma_flags); the name as a string that ends with NUL
 *   CORE_NOTE_PAGES   a pair of u64 for each run of resident or swapped pages: start | kind (enum page_kind) | huge << 2,
 *                     and end
 */

#include "core/core.h"

#define CORE_NOTE_OWNER "ULLAGE"

/* Numbers that no other owner has: there are readers that do not look at the owner. */
enum core_note_type { CORE_NOTE_ORIGIN = 0x756c0001, CORE_NOTE_MAPS = 0x756c0002, CORE_NOTE_PAGES = 0x756c0003 };
enum { CORE_NOTE_VERSION = 1, CORE_NOTE_STRUCTURE_ONLY = 1 << 0, CORE_NOTE_HUGE = 1 << 2 };

/*
 * Takes what the notes say into `c`: threads, mapped files, maps, pages, auxv, origin, pid and comm. False when they are cut
 * short; what stands before is taken.
 */
bool core_notes_take(struct core *c, const void *notes, size_t len);
