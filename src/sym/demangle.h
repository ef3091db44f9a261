/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sym/demangle - names of C++ and Rust functions as their sources have them.
 *
 * By libiberty. Names come from files of the target, and a short one may stand for an endless one: length of what goes
 * in and what comes out is bounded. Parameters are left out: "operator new", "std::vector<int>::push_back".
 */

#include <stddef.h>

enum {
	SYM_MANGLED_MAX = 4096,	  /* longer names stay as they are */
	SYM_DEMANGLED_MAX = 1024, /* with the NUL; the rest is cut */
};

/* `name` or, when it is mangled, what it stands for, in `buf`. */
const char *sym_demangle(const char *name, char buf[SYM_DEMANGLED_MAX]);
