/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/text - the small texts that the kernel shows: numbers, keys, pressure, its log. Pure: text in, values out.
 *
 * Names in the kernel's log are of processes and cgroups, and hostile: the figures that count are taken from the end of a
 * line, which no name reaches.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_UNKNOWN UINT64_MAX

/* "123\n"; SENSE_UNKNOWN for "max" and for what is no number. */
uint64_t sense_text_number(const char *text, size_t len);

/* The value of a "key value" line; SENSE_UNKNOWN where there is none. */
uint64_t sense_text_key(const char *text, size_t len, const char *key);

/* statm: pages in all, resident, shared. */
struct sense_statm {
	uint64_t size, resident, shared;
};
bool sense_text_statm(const char *text, size_t len, struct sense_statm *ret);

/* memory.pressure. Shares 0..1, NAN where not said. */
struct sense_pressure {
	double some, full; /* of the last ten seconds */
	uint64_t some_total_us;
};
void sense_text_pressure(const char *text, size_t len, struct sense_pressure *ret);

/* The number last given to a process or thread: the fifth field of loadavg. */
bool sense_text_last_pid(const char *text, size_t len, uint64_t *ret);

/* A record of /dev/kmsg that tells of a kill for lack of memory: "oom-kill:constraint=...", from Linux 5.0 on. */
enum { SENSE_OOM_PATH = 256, SENSE_OOM_COMM = 32 };
struct sense_oom_line {
	int pid; /* as the first pid namespace numbers it */
	char comm[SENSE_OOM_COMM];
	char limit_path[SENSE_OOM_PATH]; /* the cgroup whose limit it was; "": the machine ran out of memory */
	char task_path[SENSE_OOM_PATH];	 /* the cgroup of the process */
};
bool sense_text_oom(const char *text, size_t len, struct sense_oom_line *ret);
