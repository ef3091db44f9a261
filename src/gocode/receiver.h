/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/receiver - which variables methods are called on, in a binary without symbols and types of variables.
 *
 * One pass over the code looks for calls with the address of a variable loaded into the first argument's register right
 * before: "sync.(*Map).Store" called with it says that the variable is a sync.Map. It does not decode, so what comes of it
 * must be checked by what the variable holds.
 * Cost: about 1 ns a byte of code, and the name of each function that is called so. Memory: 16 bytes a call.
 */

#include "gort/gort.h"

enum { GOCODE_RECEIVERS_MAX = 1 << 20 };

struct gocode_receiver {
	uint64_t addr; /* of the variable: in noptrdata, data, bss or noptrbss */
	uint32_t func; /* index in pclntab of the function that is called */
	uint32_t caller;
};

VEC_TYPE(gocode_receiver_vec, struct gocode_receiver);

/* Appends those whose function's name `wanted` accepts, sorted by address, each call once. */
void gocode_receivers_read(const struct gort *g, bool (*wanted)(const char *name), struct gocode_receiver_vec *ret);
