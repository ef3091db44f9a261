/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sym/debug - what those who read debug information with libdw ask before they let it unpack anything. */

#include <gelf.h>
#include <stdint.h>

/* Bytes of all debug sections, unpacked; UINT64_MAX where they are too many, or in a form that is not read. */
uint64_t sym_debug_bytes(Elf *elf);
