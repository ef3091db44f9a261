/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/nearest - which word was meant by one that is not known.
 */

/* The word of `known` (ends with NULL) that `word` most likely meant, or NULL where none is near. */
const char *nearest_word(const char *word, const char *const *known);
