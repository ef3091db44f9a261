/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/kind - what a file is, by its first bytes (unpacked).
 */

#include <stddef.h>

enum codec_kind {
	CODEC_UNKNOWN,
	CODEC_SNAPSHOT, /* of `ullage snap` */
	CODEC_PPROF,
	CODEC_GOROUTINES, /* a text dump: debug=1, debug=2, a panic, SIGQUIT */
	CODEC_HEAPDUMP,	  /* debug.WriteHeapDump */
	CODEC_HPROF,
	CODEC_ELF,  /* a program or library */
	CODEC_CORE, /* ELF, too */
	CODEC_KIND_MAX_
};

extern const char *const codec_kind_names[CODEC_KIND_MAX_]; /* for people: "a pprof profile" */

/* The magic of a snapshot; its version follows. */
#define CODEC_SNAPSHOT_MAGIC "ullage-snapshot "

enum { CODEC_KIND_HEAD = 64 << 10 }; /* bytes that are enough to tell */

enum codec_kind codec_kind(const void *head, size_t len);
