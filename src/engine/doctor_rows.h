/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/doctor_rows - what the two halves of the doctor share. Inside of engine only.
 */

#include "engine/doctor.h"

/* Strings are borrowed: constants, or of the doctor's arena. */
void doctor_row(struct doctor *d, const char *check, enum doctor_result result, const char *found, const char *remedy);

/*
 * What `watch` can do here with the cgroup of `pid`, with the machine, and with the directory `data` of its records. Costs the
 * loading of one small BPF program.
 */
void doctor_watch(struct doctor *d, const char *procfs, int pid, const char *data);
