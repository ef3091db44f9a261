/* SPDX-License-Identifier: Apache-2.0 */
#include "base/nearest.h"

#include <string.h>

#include "base/num.h"

/* How many letters must change, come or go to make b of a. */
static size_t distance(const char *a, const char *b)
{
	enum { WORD_MAX = 32 };
	size_t row[WORD_MAX + 1], lb = strlen(b);
	if (strlen(a) > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 0; a[i]; i++) {
		size_t diagonal = row[0];
		row[0] = i + 1;
		for (size_t j = 1; j <= lb; j++) {
			size_t change = diagonal + (a[i] != b[j - 1]);
			diagonal = row[j];
			row[j] = num_min(change, num_min(row[j], row[j - 1]) + 1);
		}
	}
	return row[lb];
}

const char *nearest_word(const char *word, const char *const *known)
{
	const char *best = NULL;
	size_t len = strlen(word), least = len / 3 + 2;
	for (size_t i = 0; known[i]; i++) {
		size_t d = distance(word, known[i]);
		if (len >= 2 && strncmp(word, known[i], len) == 0)
			d = 1;
		/* A word of other letters only is not meant, however short. */
		if (d < least && d < strlen(known[i])) {
			least = d;
			best = known[i];
		}
	}
	return best;
}
