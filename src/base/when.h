/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/when - a moment as people write it.
 *
 * "2026-11-26T03:12:00Z" (RFC 3339; the seconds, their fraction and the zone may be left out, a space may stand for the T, and
 * "+01:00" for the Z), "2026-11-26", "03:12" or "03:12:30" (the last time it was so late), "-2h" or "-1d12h" (so long ago), "now",
 * "1795662720" or "1795662720.5" (seconds since 1970, nine digits or more).
 * Without a zone it is UTC, as in everything that is shown. Nanoseconds since 1970.
 */

#include <stdbool.h>
#include <stdint.h>

/* False when the text is none of these. */
bool when_parse(const char *text, int64_t now_ns, int64_t *ret);

/* "10s", "1h30m", or seconds alone: nanoseconds over 0. */
bool when_span(const char *text, int64_t *ret);
