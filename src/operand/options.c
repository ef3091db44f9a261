/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/options.h"

#include <getopt.h>
#include <string.h>

#include "base/nearest.h"
#include "base/num.h"

enum {
	ROWS_MAX = 32,
	LONG_ONLY = 256,  /* getopt's value of row i is LONG_ONLY + i */
	HELP_COLUMN = 26, /* where explanations start */
	HELP_WIDTH = 90,
	MS_MAX = 60 * 1000, /* no option means more than a minute */
	NS_PER_MS = 1000000,
};

static const int64_t NS_PER_S = 1000000000, DURATION_MIN = 10000000, DURATION_MAX = 86400000000000;

static size_t count_rows(const struct option_row *rows)
{
	size_t n = 0;
	while (rows[n].name)
		n++;
	return n;
}

static struct err *unknown_option(const struct option_row *rows, const char *arg)
{
	const char *known[ROWS_MAX + 1] = { 0 };
	size_t n = count_rows(rows);
	for (size_t i = 0; i < n; i++)
		known[i] = rows[i].name;
	if (arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9')
		return err_new(ERR_ARG, "'%s' is not a process id", arg);
	AUTO_FREE char *word = xstrdup(arg + strspn(arg, "-"));
	word[strcspn(word, "=")] = 0;
	const char *near = nearest_word(word, known);
	if (near)
		return err_new(ERR_ARG, "unknown option '%s'; did you mean --%s?", arg, near);
	return err_new(ERR_ARG, "unknown option '%s'", arg);
}

static struct err *set_choice(const struct option_row *row, const char *arg, int *ret)
{
	AUTO(strbuf) struct strbuf all;
	strbuf_init(&all);
	for (int i = 0; row->choices[i]; i++) {
		if (strcmp(row->choices[i], arg) == 0) {
			*ret = i;
			return NULL;
		}
		strbuf_printf(&all, "%s%s", i ? ", " : "", row->choices[i]);
	}
	return err_new(ERR_ARG, "--%s is one of %s, not '%s'", row->name, all.buf, arg);
}

static struct err *set_number(const struct option_row *row, const char *arg, uint64_t least, uint64_t most,
			      uint64_t *ret)
{
	uint64_t v = 0;
	if (!num_str(arg, &v) || v < least || v > most)
		return err_new(ERR_ARG, "--%s takes a whole number from %llu to %llu, not '%s'", row->name,
			       (unsigned long long)least, (unsigned long long)most, arg);
	*ret = v;
	return NULL;
}

static struct err *set_duration(const struct option_row *row, const char *arg, int64_t *ret)
{
	static const struct {
		const char *unit;
		int64_t ns;
	} units[] = { { "ms", NS_PER_MS }, { "s", NS_PER_S }, { "m", 60 * NS_PER_S }, { "h", 3600 * NS_PER_S } };
	size_t digits = strspn(arg, "0123456789");
	uint64_t n = 0;
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]) && num_dec(arg, digits, &n); i++) {
		if (strcmp(arg + digits, units[i].unit) != 0 || n > (uint64_t)(DURATION_MAX / units[i].ns))
			continue;
		*ret = (int64_t)n * units[i].ns;
		if (*ret >= DURATION_MIN)
			return NULL;
	}
	return err_new(ERR_ARG, "--%s takes a duration such as 30s, 2m or 500ms, from 10ms to 24h, not '%s'", row->name,
		       arg);
}

static struct err *set_size(const struct option_row *row, const char *arg, uint64_t *ret)
{
	static const char units[] = "KMGT";
	size_t digits = strspn(arg, "0123456789");
	const char *unit = arg + digits, *at = *unit ? strchr(units, *unit) : NULL;
	unsigned shift = at ? 10 * (unsigned)(at - units + 1) : 0;
	uint64_t v = 0;
	unit += at != NULL;
	bool good = num_dec(arg, digits, &v) && v <= UINT64_MAX >> shift && v << shift <= INT64_MAX;
	if (!good || (*unit && strcmp(unit, at ? "iB" : "B") != 0))
		return err_new(ERR_ARG, "--%s takes bytes, as 4096, 10M or 10MiB, not '%s'", row->name, arg);
	*ret = v << shift;
	return NULL;
}

static struct err *set_value(const struct option_row *row, const char *arg, void *values)
{
	void *to = (char *)values + row->offset;
	uint64_t n = 0;
	switch (row->kind) {
	case OPTION_FLAG:
		*(bool *)to = true;
		return NULL;
	case OPTION_STR:
		*(const char **)to = arg;
		return NULL;
	case OPTION_COUNT:
		return set_number(row, arg, 0, 1000000, to);
	case OPTION_CHOICE:
		if (arg)
			return set_choice(row, arg, to);
		*(int *)to = (int)row->fallback;
		return NULL;
	case OPTION_DURATION:
		return set_duration(row, arg, to);
	case OPTION_SIZE:
		return set_size(row, arg, to);
	case OPTION_LIST:
		*vec_push((struct arg_vec *)to) = arg;
		return NULL;
	case OPTION_MS:
		if (!arg)
			n = (uint64_t)row->fallback;
		else
			TRY(set_number(row, arg, 1, MS_MAX, &n));
		*(int64_t *)to = (int64_t)n * NS_PER_MS;
		return NULL;
	}
	return err_new(ERR_INTERNAL, "option --%s has no kind", row->name);
}

struct getopt_tables {
	struct option longs[ROWS_MAX + 1];
	char shorts[ROWS_MAX * 3 + 3];
};

static void make_tables(const struct option_row *rows, struct getopt_tables *t)
{
	*t = (struct getopt_tables){ 0 };
	char *s = t->shorts;
	*s++ = '-'; /* operands in their place, whatever POSIXLY_CORRECT says */
	*s++ = ':'; /* a missing argument is told apart */
	for (int i = 0; rows[i].name && i < ROWS_MAX; i++) {
		int has = !rows[i].arg ? no_argument : rows[i].arg_optional ? optional_argument : required_argument;
		t->longs[i] = (struct option){ rows[i].name, has, NULL, LONG_ONLY + i };
		if (!rows[i].letter)
			continue;
		*s++ = rows[i].letter;
		for (int k = 0; k < has; k++)
			*s++ = ':';
	}
}

static const struct option_row *find_row(const struct option_row *rows, int value)
{
	for (int i = 0; rows[i].name; i++) {
		if (value == LONG_ONLY + i || (rows[i].letter && value == rows[i].letter))
			return &rows[i];
	}
	return NULL;
}

static struct err *refuse(const struct option_row *rows, int c, char **argv)
{
	const struct option_row *row = find_row(rows, optopt);
	if (row && c == ':')
		return err_new(ERR_ARG, "--%s needs %s", row->name, row->arg);
	if (row)
		return err_new(ERR_ARG, "--%s takes no value", row->name);
	const char *arg = argv[optind - 1];
	char letter[] = { '-', (char)optopt, 0 };
	bool is_long = strncmp(arg, "--", 2) == 0;
	bool is_number = arg[0] == '-' && arg[1] >= '0' && arg[1] <= '9';
	return unknown_option(rows, is_long || is_number || !optopt ? arg : letter);
}

struct err *options_parse(const struct option_row *rows, int argc, char **argv, void *values, struct arg_vec *rest)
{
	struct getopt_tables t;
	make_tables(rows, &t);
	opterr = 0;
	optind = 0; /* glibc: start anew */
	for (;;) {
		int c = getopt_long(argc, argv, t.shorts, t.longs, NULL);
		if (c == -1)
			break;
		if (c == '?' || c == ':')
			return refuse(rows, c, argv);
		const struct option_row *row = c == 1 ? NULL : find_row(rows, c);
		if (!row) {
			*vec_push(rest) = optarg;
			continue;
		}
		TRY(set_value(row, optarg, values));
		if (strcmp(row->name, "help") == 0)
			return NULL;
	}
	while (optind < argc)
		*vec_push(rest) = argv[optind++];
	return NULL;
}

bool options_ask_help(const struct option_row *rows, const void *values)
{
	for (; rows->name; rows++) {
		if (strcmp(rows->name, "help") == 0)
			return *(const bool *)((const char *)values + rows->offset);
	}
	return false;
}

void options_free(const struct option_row *rows, void *values)
{
	for (; rows->name; rows++) {
		struct arg_vec *list = (struct arg_vec *)((char *)values + rows->offset);
		if (rows->kind == OPTION_LIST)
			vec_deinit(list);
	}
}

/* Words of `about` in a column of their own. */
static void put_about(const char *about, struct strbuf *out)
{
	size_t at = HELP_COLUMN;
	for (const char *p = about; *p;) {
		size_t word = strcspn(p, " ");
		if (at > HELP_COLUMN && at + 1 + word > HELP_WIDTH) {
			strbuf_printf(out, "\n%*s", HELP_COLUMN, "");
			at = HELP_COLUMN;
		} else if (at > HELP_COLUMN) {
			strbuf_putc(out, ' ');
			at++;
		}
		strbuf_add(out, p, word);
		at += word;
		p += word + strspn(p + word, " ");
	}
	strbuf_putc(out, '\n');
}

void options_help(const struct option_row *rows, struct strbuf *out)
{
	for (; rows->name; rows++) {
		size_t start = out->len;
		strbuf_printf(out, rows->letter ? "  -%c, " : "      ", rows->letter);
		strbuf_printf(out, "--%s", rows->name);
		if (rows->arg)
			strbuf_printf(out, rows->arg_optional ? "[=%s]" : " %s", rows->arg);
		size_t used = out->len - start;
		if (used + 2 > HELP_COLUMN) {
			strbuf_putc(out, '\n');
			used = 0;
		}
		strbuf_printf(out, "%*s", (int)(HELP_COLUMN - used), "");
		put_about(rows->about, out);
	}
}
