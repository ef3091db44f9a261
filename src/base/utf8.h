/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/utf8 - is it UTF-8?
 */

#include <stddef.h>

/* Length of the well-formed sequence (no surrogate, nothing overlong) at the start of s[0, len), len > 0; 0: there is none. */
size_t utf8_len(const char *s, size_t len);
