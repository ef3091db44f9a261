/* SPDX-License-Identifier: Apache-2.0 */
#include "base/when.h"

#include <stddef.h>
#include <string.h>
#include <time.h>

#define SECOND INT64_C(1000000000)

enum { MINUTE_S = 60, HOUR_S = 3600, DAY_S = 86400, MONTHS = 12, YEAR_MIN = 1970, YEAR_MAX = 2261 };

/* Exactly `digits` digits at *s, at most `most`. */
static bool number(const char **s, int digits, int most, int *ret)
{
	int value = 0;
	for (int i = 0; i < digits; i++, (*s)++) {
		if (**s < '0' || **s > '9')
			return false;
		value = value * 10 + (**s - '0');
	}
	*ret = value;
	return value <= most;
}

static bool mark(const char **s, char c)
{
	if (**s != c)
		return false;
	(*s)++;
	return true;
}

/* ".25": nanoseconds; digits beyond them are read and count for nothing. */
static bool fraction(const char **s, int64_t *ret)
{
	int64_t unit = SECOND / 10;
	if (!mark(s, '.'))
		return true;
	if (**s < '0' || **s > '9')
		return false;
	for (; **s >= '0' && **s <= '9'; (*s)++, unit /= 10)
		*ret += (**s - '0') * unit;
	return true;
}

/* "03:12", "03:12:30.5": nanoseconds since midnight. */
static bool clock_time(const char **s, int64_t *ret)
{
	int hour = 0, minute = 0, second = 0;
	if (!number(s, 2, 23, &hour) || !mark(s, ':') || !number(s, 2, 59, &minute))
		return false;
	int64_t part = 0;
	if (mark(s, ':') && (!number(s, 2, 60, &second) || !fraction(s, &part)))
		return false;
	*ret = (hour * (int64_t)HOUR_S + minute * (int64_t)MINUTE_S + second) * SECOND + part;
	return true;
}

/* "2026-11-26": its midnight. */
static bool date(const char **s, int64_t *ret)
{
	int year = 0, month = 0, day = 0;
	if (!number(s, 4, YEAR_MAX, &year) || year < YEAR_MIN || !mark(s, '-') || !number(s, 2, MONTHS, &month) ||
	    !month || !mark(s, '-') || !number(s, 2, 31, &day) || !day)
		return false;
	struct tm tm = { .tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day };
	*ret = (int64_t)timegm(&tm) * SECOND;
	return tm.tm_mday == day; /* a 31st of February becomes a day of March */
}

static bool zone(const char **s, int64_t *ret)
{
	int hour = 0, minute = 0;
	char sign = **s;
	if (!sign || mark(s, 'Z') || mark(s, 'z'))
		return true;
	(*s)++;
	if ((sign != '+' && sign != '-') || !number(s, 2, 23, &hour) || !mark(s, ':') || !number(s, 2, 59, &minute))
		return false;
	*ret -= (sign == '+' ? 1 : -1) * (hour * (int64_t)HOUR_S + minute * (int64_t)MINUTE_S) * SECOND;
	return true;
}

static bool absolute(const char *s, int64_t *ret)
{
	int64_t time = 0;
	if (!date(&s, ret))
		return false;
	if (!*s)
		return true;
	if ((!mark(&s, 'T') && !mark(&s, 't') && !mark(&s, ' ')) || !clock_time(&s, &time) || !zone(&s, ret))
		return false;
	*ret += time;
	return !*s;
}

/* "2h", "1d12h30m": seconds. */
static bool span(const char *s, int64_t *ret)
{
	static const struct {
		char unit;
		int64_t seconds;
	} units[] = { { 's', 1 }, { 'm', MINUTE_S }, { 'h', HOUR_S }, { 'd', DAY_S }, { 'w', INT64_C(7) * DAY_S } };
	enum { DIGITS = 7 };
	if (!*s)
		return false;
	for (*ret = 0; *s; s++) {
		int64_t value = 0;
		size_t n = strspn(s, "0123456789"), u = 0;
		for (size_t i = 0; i < n && i < DIGITS; i++)
			value = value * 10 + (s[i] - '0');
		s += n;
		while (u < sizeof(units) / sizeof(units[0]) && units[u].unit != *s)
			u++;
		if (!n || n > DIGITS || u == sizeof(units) / sizeof(units[0]))
			return false;
		*ret += value * units[u].seconds;
	}
	return *ret <= INT64_MAX / SECOND / 2;
}

/* "1795662720", "1795662720.5". */
static bool epoch(const char *s, int64_t *ret)
{
	enum { DIGITS_MIN = 9, DIGITS_MAX = 10 }; /* fewer may be a date that somebody forgot the dashes of */
	int64_t seconds = 0, part = 0;
	size_t n = strspn(s, "0123456789");
	for (size_t i = 0; i < n && i < DIGITS_MAX; i++)
		seconds = seconds * 10 + (s[i] - '0');
	s += n;
	if (n < DIGITS_MIN || n > DIGITS_MAX || !fraction(&s, &part) || *s || seconds > INT64_MAX / SECOND - 1)
		return false;
	*ret = seconds * SECOND + part;
	return true;
}

bool when_span(const char *text, int64_t *ret)
{
	size_t n = strspn(text, "0123456789");
	char seconds[16];
	if (n > 0 && n + 2 <= sizeof(seconds) && !text[n]) {
		memcpy(seconds, text, n);
		memcpy(seconds + n, "s", 2);
		text = seconds;
	}
	if (!span(text, ret))
		return false;
	*ret *= SECOND;
	return *ret > 0;
}

bool when_parse(const char *text, int64_t now_ns, int64_t *ret)
{
	int64_t value = 0;
	const char *s = text;
	*ret = 0;
	if (strcmp(text, "now") == 0) {
		*ret = now_ns;
		return true;
	}
	if (*text == '-') {
		*ret = span(text + 1, &value) ? now_ns - value * SECOND : 0;
		return *ret > 0;
	}
	if (absolute(text, ret) || epoch(text, ret))
		return true;
	if (!clock_time(&s, &value) || !zone(&s, &value) || *s)
		return false;
	*ret = now_ns - now_ns % (DAY_S * SECOND) + value;
	*ret -= *ret > now_ns ? DAY_S * SECOND : 0;
	return true;
}
