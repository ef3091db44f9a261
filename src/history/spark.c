/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "history/report.h"

static const char *const blocks[] = { "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█" };
static const char *const ascii[] = { "_", ".", ":", "-", "=", "+", "*", "#" };
enum { LEVELS = 8 };

/* The largest of the values that column x stands for; NAN where there is none. */
static double column(const double *values, size_t n, size_t x, size_t width)
{
	double best = NAN;
	size_t from = x * n / width, to = (x + 1) * n / width;
	for (size_t i = from; i < to || i == from; i++)
		if (!isnan(values[i]) && (isnan(best) || values[i] > best))
			best = values[i];
	return best;
}

void spark_add(struct strbuf *out, const double *values, size_t n, size_t width, bool utf8)
{
	double min = NAN, max = NAN;
	width = n < width ? n : width;
	for (size_t i = 0; i < n; i++) {
		if (isnan(values[i]))
			continue;
		min = isnan(min) || values[i] < min ? values[i] : min;
		max = isnan(max) || values[i] > max ? values[i] : max;
	}
	for (size_t x = 0; x < width; x++) {
		double v = column(values, n, x, width);
		size_t level = 0;
		if (!isnan(v) && max > min)
			level = (size_t)((v - min) / (max - min) * (LEVELS - 1) + 0.5);
		if (isnan(v))
			strbuf_putc(out, ' ');
		else
			strbuf_puts(out, (utf8 ? blocks : ascii)[level < LEVELS ? level : LEVELS - 1]);
	}
}
