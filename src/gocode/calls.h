/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gocode/calls - what the code says about types, for binaries without debug information: of variables, and of closures.
 *
 * One pass over the code looks for direct calls and what is around them: a function of the runtime that takes a type as an
 * argument, next to a variable whose address or value is another one, mapassign(type, map); a method that is called on a
 * variable. The compiler makes closures by allocating a struct of a type of its own and storing the function's address in
 * it. Functions that set variables are then followed (gocode/flow). A place may be misread: what most places say counts,
 * and only if two thirds of them agree.
 * Cost: about 2 ns a byte of code, and what following costs. Memory: 24 bytes a place.
 */

#include "gocode/flow.h"

/* Appends what the code says, one row for each variable or function, by address; first of variables. */
void gocode_calls_read(struct gocode_reader *r, struct gocode_call_vec *ret);
