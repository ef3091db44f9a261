/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/hprof - the class histogram of a JVM heap dump ("JAVA PROFILE 1.0.1" and "1.0.2", identifiers of 4 or 8 bytes).
 *
 * One row of heap.types for each class, and for arrays one for each length, up to HPROF_LENGTHS_MAX of them:
 * "java.lang.String", "Leak$Session", "byte[1000]", "java.lang.Object[16]", and "byte[]" for arrays of further lengths.
 * analysis/diff leaves the length away where it compares classes.
 *
 * Bytes are shallow, as `jcmd PID GC.class_histogram` counts them: header, fields and padding to 8
 * (codec/hprof_class says how they are found). A note says when the layout had to be assumed.
 * java.lang.Class is counted by the classes dumped, each with its static fields.
 *
 * One pass; memory grows with names, classes and different lengths, not with objects.
 */

#include "codec/stream.h"
#include "model/snapshot.h"

enum {
	HPROF_LENGTHS_MAX = 1 << 16, /* pairs of class and array length */
};

/*
 * Reads all of the stream into *ret, an initialized and empty snapshot: heap.types and clock.wall; parts is CENSUS.
 * FORMAT with the offset (a record that is cut short, a sub-record of unknown kind); LIMIT; UNSUPPORTED for 1.0.3,
 * which is Android's.
 */
MUST_CHECK struct err *hprof_read(struct stream *s, struct snapshot *ret);
