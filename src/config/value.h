/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/value - durations, sizes, shares and numbers as people write them, and back.
 *
 * All of a text is a value or it is none: no sign, no space, no exponent. What value_put_*() writes is read as the same.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/strbuf.h"
#include "model/signal.h"

bool value_duration(const char *s, uint64_t *ms); /* "200ms", "1h30m": units once each, from the largest; "0" */
bool value_bytes(const char *s, uint64_t *bytes); /* "4096", "64MiB", "1.5G": up to 8 EiB */
bool value_share(const char *s, double *share);	  /* "85%", "0.85" */
bool value_number(const char *s, double *number); /* "3.5" */
/* A number in the unit of a signal, or as what that unit is: "20ms" of seconds, "1GiB" of bytes, "85%" of shares. */
bool value_in_unit(const char *s, enum signal_unit unit, double *number);

void value_put_duration(uint64_t ms, struct strbuf *out);
void value_put_bytes(uint64_t bytes, struct strbuf *out);
void value_put_share(double share, struct strbuf *out);
void value_put_number(double number, struct strbuf *out);
void value_put_in_unit(double number, enum signal_unit unit, struct strbuf *out);
