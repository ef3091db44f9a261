/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * proc/available - memory that we may take without pressing others: MemAvailable of /proc/meminfo.
 */

#include <stdint.h>

/* Bytes; 0 where it is not said. */
uint64_t proc_available(const char *procfs);
