/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/diagnose_record - the record that a diagnosis takes by itself, once memory outside of the Go heap, address space,
 * mappings or threads grow.
 *
 * It runs beside the looks: whoever would sleep until the next one calls diagnose_record_until() in its place.
 * Cost: none until something grows; then the budget of record (1 % of the target's CPU), and what loading probes takes of
 * our own.
 */

#include "engine/diagnose.h"

struct record_session;

struct diagnose_record {
	int pid;
	const struct diagnose_options *opt;
	int64_t end; /* of the window, CLOCK_MONOTONIC */
	struct record_session *session;
	bool tried; /* once is enough */
};

void diagnose_record_init(struct diagnose_record *d, int pid, const struct diagnose_options *opt, int64_t end);

/* After each look: starts to record when something grew; why it cannot goes to run->unrecorded. */
void diagnose_record_consider(struct diagnose_record *d, struct diagnose_run *run);

/* Sleeps until then (CLOCK_MONOTONIC), recording meanwhile; an interrupt ends it early. */
void diagnose_record_until(struct diagnose_record *d, int64_t at);

/* Always the last call: ends what was begun. run->record, when there was something to record. */
void diagnose_record_finish(struct diagnose_record *d, struct diagnose_run *run);
