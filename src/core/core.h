/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * core/core - ELF core files of Linux: reading one as a memsrc, and writing one of a live process.
 *
 * Cores of the kernel, of gcore and of ullage are read: PT_LOAD is memory, PT_NOTE has the threads (NT_PRSTATUS), the
 * mapped files (NT_FILE), the command (NT_PRPSINFO) and the auxiliary vector. Parts of files that a core leaves out are read
 * from the files themselves, when their build id is the one that the core's own copy of the ELF header names.
 */

#include "model/memsrc.h"
#include "model/vma.h"

enum { CORE_SEGMENTS_MAX = 1 << 20, CORE_THREADS_MAX = 1 << 20, CORE_NOTES_MAX = 256 << 20 };
