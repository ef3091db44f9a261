/* SPDX-License-Identifier: Apache-2.0 */
#include "sense/text.h"

#include <math.h>
#include <string.h>

#include "base/num.h"

/* [at, end) of a text. */
struct span {
	const char *at, *end;
};

static size_t length(struct span s)
{
	return (size_t)(s.end - s.at);
}

/* Cut off what stands before `sep`; all of it when there is none. False at the end. */
static bool cut(struct span *from, char sep, struct span *ret)
{
	if (from->at >= from->end)
		return false;
	const char *stop = memchr(from->at, sep, length(*from));
	*ret = (struct span){ from->at, stop ? stop : from->end };
	from->at = stop ? stop + 1 : from->end;
	return true;
}

static uint64_t number(struct span s)
{
	uint64_t v = 0;
	while (s.end > s.at && s.end[-1] == '\n')
		s.end--;
	return num_dec(s.at, length(s), &v) ? v : SENSE_UNKNOWN;
}

uint64_t sense_text_number(const char *text, size_t len)
{
	return number((struct span){ text, text + len });
}

uint64_t sense_text_key(const char *text, size_t len, const char *key)
{
	struct span all = { text, text + len }, line, word;
	size_t n = strlen(key);
	while (cut(&all, '\n', &line)) {
		if (cut(&line, ' ', &word) && length(word) == n && memcmp(word.at, key, n) == 0)
			return number(line);
	}
	return SENSE_UNKNOWN;
}

bool sense_text_statm(const char *text, size_t len, struct sense_statm *ret)
{
	struct span all = { text, text + len }, word;
	uint64_t *const fields[] = { &ret->size, &ret->resident, &ret->shared };
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		if (!cut(&all, ' ', &word) || (*fields[i] = number(word)) == SENSE_UNKNOWN)
			return false;
	}
	return true;
}

/* "12.34", percent, as a share; NAN for anything else. */
static double share(struct span s)
{
	struct span whole;
	uint64_t units = 0, parts = 0;
	if (!cut(&s, '.', &whole) || !num_dec(whole.at, length(whole), &units) || length(s) != 2 ||
	    !num_dec(s.at, 2, &parts) || units > 100)
		return (double)NAN;
	return ((double)units + (double)parts / 100) / 100;
}

/* The value of "key=value" among words. */
static bool value_of(struct span line, const char *key, struct span *ret)
{
	size_t n = strlen(key);
	struct span word;
	while (cut(&line, ' ', &word)) {
		if (length(word) > n && memcmp(word.at, key, n) == 0 && word.at[n] == '=') {
			*ret = (struct span){ word.at + n + 1, word.end };
			return true;
		}
	}
	return false;
}

void sense_text_pressure(const char *text, size_t len, struct sense_pressure *ret)
{
	struct span all = { text, text + len }, line, value;
	*ret = (struct sense_pressure){ (double)NAN, (double)NAN, SENSE_UNKNOWN };
	while (cut(&all, '\n', &line)) {
		bool some = length(line) > 5 && memcmp(line.at, "some ", 5) == 0;
		bool full = length(line) > 5 && memcmp(line.at, "full ", 5) == 0;
		if ((some || full) && value_of(line, "avg10", &value))
			*(some ? &ret->some : &ret->full) = share(value);
		if (some && value_of(line, "total", &value))
			ret->some_total_us = number(value);
	}
}

bool sense_text_last_pid(const char *text, size_t len, uint64_t *ret)
{
	enum { FIELD = 5 };
	struct span all = { text, text + len }, word = { text, text };
	for (int i = 0; i < FIELD; i++) {
		if (!cut(&all, ' ', &word))
			return false;
	}
	*ret = number(word);
	return *ret != SENSE_UNKNOWN;
}

/* ---- the log ---- */

/* The last place of `what` in s, or NULL. */
static const char *last(struct span s, const char *what)
{
	size_t n = strlen(what);
	for (const char *p = s.end; n <= length(s) && p >= s.at + n; p--) {
		if (memcmp(p - n, what, n) == 0)
			return p - n;
	}
	return NULL;
}

static void put(char *buf, size_t size, struct span s)
{
	size_t n = num_min(length(s), size - 1);
	memcpy(buf, s.at, n);
	buf[n] = 0;
}

static bool take_pid(struct span *line, int *ret)
{
	const char *uid = last(*line, ",uid=");
	struct span left = { line->at, uid ? uid : line->end };
	const char *pid = last(left, ",pid=");
	uint64_t value = 0;
	if (!pid || !num_dec(pid + 5, (size_t)(left.end - pid - 5), &value) || !value || value > INT32_MAX)
		return false;
	*ret = (int)value;
	line->end = pid;
	return true;
}

bool sense_text_oom(const char *text, size_t len, struct sense_oom_line *ret)
{
	static const char word[] = "oom-kill:constraint=", limit[] = "oom_memcg=", task[] = ",task_memcg=";
	struct span all = { text, text + len }, head, line;
	*ret = (struct sense_oom_line){ 0 };
	/* "priority,sequence,time,flags;text": what follows on further lines belongs to the record's dictionary */
	if (!cut(&all, ';', &head) || !cut(&all, '\n', &line) || length(line) < sizeof(word) ||
	    memcmp(line.at, word, sizeof(word) - 1) != 0 || !take_pid(&line, &ret->pid))
		return false;
	const char *comm = last(line, ",task=");
	if (!comm)
		return false;
	put(ret->comm, sizeof(ret->comm), (struct span){ comm + 6, line.end });
	line.end = comm;
	const char *from = last(line, task);
	if (!from)
		return true;
	put(ret->task_path, sizeof(ret->task_path), (struct span){ from + sizeof(task) - 1, line.end });
	line.end = from;
	const char *whose = last(line, limit);
	if (whose)
		put(ret->limit_path, sizeof(ret->limit_path), (struct span){ whose + sizeof(limit) - 1, line.end });
	return true;
}
