/* SPDX-License-Identifier: Apache-2.0 */
#include "config/value.h"

#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/num.h"

static const struct {
	const char *name;
	uint64_t ms;
} durations[] = { { "w", 604800000 }, { "d", 86400000 }, { "h", 3600000 }, { "m", 60000 }, { "s", 1000 }, { "ms", 1 } };

static const char size_units[] = "KMGTPE";

enum { DURATIONS = sizeof(durations) / sizeof(durations[0]), BITS_PER_UNIT = 10, MS_PER_S = 1000 };

static const uint64_t MS_MAX = UINT64_C(10) * 365 * 86400000; /* ten years: nothing here is longer */

bool value_duration(const char *s, uint64_t *ms)
{
	uint64_t sum = 0;
	if (strcmp(s, "0") == 0) {
		*ms = 0;
		return true;
	}
	if (!*s)
		return false;
	for (size_t next = 0; *s;) {
		size_t digits = strspn(s, "0123456789"), letters = strcspn(s + digits, "0123456789");
		uint64_t n = 0;
		while (next < DURATIONS && !(strlen(durations[next].name) == letters &&
					     strncmp(durations[next].name, s + digits, letters) == 0))
			next++;
		if (next == DURATIONS || !num_dec(s, digits, &n) || n > MS_MAX / durations[next].ms)
			return false;
		sum += n * durations[next++].ms;
		s += digits + letters;
	}
	*ms = sum;
	return sum <= MS_MAX;
}

/* Digits, at most one point among them: what strtod() reads the same everywhere. */
static bool decimal(const char *s, size_t len, double *ret)
{
	enum { DIGITS_MAX = 24 };
	char copy[DIGITS_MAX + 1] = { 0 };
	size_t whole = strspn(s, "0123456789"), part = s[whole] == '.' ? strspn(s + whole + 1, "0123456789") : 0;
	size_t used = whole + (s[whole] == '.' ? 1 + part : 0);
	if (!whole || used != len || s[len - 1] == '.' || len > DIGITS_MAX)
		return false;
	memcpy(copy, s, len);
	*ret = strtod(copy, NULL);
	return true;
}

bool value_bytes(const char *s, uint64_t *bytes)
{
	size_t digits = strspn(s, "0123456789.");
	const char *unit = s + digits, *at = *unit ? strchr(size_units, *unit == 'k' ? 'K' : *unit) : NULL;
	unsigned shift = at ? BITS_PER_UNIT * (unsigned)(at - size_units + 1) : 0;
	double v = 0;
	unit += at != NULL;
	if (*unit && strcmp(unit, at ? "iB" : "B") != 0)
		return false;
	if (num_dec(s, digits, bytes)) {
		uint64_t n = *bytes;
		*bytes = n << shift;
		return n <= (uint64_t)INT64_MAX >> shift;
	}
	if (!at || !decimal(s, digits, &v))
		return false;
	v = ldexp(v, (int)shift);
	if (v > (double)(INT64_MAX / 2))
		return false;
	*bytes = (uint64_t)v;
	return true;
}

bool value_number(const char *s, double *number)
{
	return decimal(s, strlen(s), number);
}

bool value_share(const char *s, double *share)
{
	size_t len = strlen(s);
	if (!len || s[len - 1] != '%')
		return value_number(s, share) && *share <= 1;
	if (!decimal(s, len - 1, share))
		return false;
	*share /= 100;
	return true;
}

bool value_in_unit(const char *s, enum signal_unit unit, double *number)
{
	uint64_t n = 0;
	switch (unit) {
	case SIGNAL_SHARE:
		return value_share(s, number);
	case SIGNAL_TIMES:
		return value_number(s, number);
	case SIGNAL_SECONDS:
		if (value_number(s, number))
			return true;
		if (!value_duration(s, &n))
			return false;
		*number = (double)n / MS_PER_S;
		return true;
	case SIGNAL_BYTES:
		if (!value_bytes(s, &n))
			return false;
		break;
	default:
		if (!num_str(s, &n))
			return false;
		break;
	}
	*number = (double)n;
	return true;
}

void value_put_duration(uint64_t ms, struct strbuf *out)
{
	if (!ms)
		strbuf_puts(out, "0");
	for (size_t i = 0; i < DURATIONS; i++) {
		/* Days add up to weeks, but nobody thinks of "2w" when "14d" is meant. */
		uint64_t n = i ? ms / durations[i].ms : 0;
		if (n)
			strbuf_printf(out, "%" PRIu64 "%s", n, durations[i].name);
		ms -= n * durations[i].ms;
	}
}

void value_put_bytes(uint64_t bytes, struct strbuf *out)
{
	size_t unit = 0;
	while (bytes && bytes % 1024 == 0 && size_units[unit]) {
		bytes /= 1024;
		unit++;
	}
	strbuf_printf(out, "%" PRIu64, bytes);
	if (unit)
		strbuf_printf(out, "%ciB", size_units[unit - 1]);
}

void value_put_share(double share, struct strbuf *out)
{
	strbuf_printf(out, "%.10g%%", share * 100);
}

void value_put_number(double number, struct strbuf *out)
{
	if (isnan(number))
		strbuf_puts(out, "null");
	else
		strbuf_printf(out, "%.10g", number);
}

void value_put_in_unit(double number, enum signal_unit unit, struct strbuf *out)
{
	double ms = number * MS_PER_S;
	bool whole = ms <= (double)MS_MAX && fabs(ms - nearbyint(ms)) < 1e-6;
	if (unit == SIGNAL_SHARE && !isnan(number))
		value_put_share(number, out);
	else if (unit == SIGNAL_BYTES && !isnan(number))
		value_put_bytes((uint64_t)number, out);
	else if (unit == SIGNAL_SECONDS && whole)
		value_put_duration((uint64_t)nearbyint(ms), out);
	else
		value_put_number(number, out);
}
