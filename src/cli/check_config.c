/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "cli/command.h"
#include "config/config.h"
#include "format/output.h"
#include "operand/status.h"
#include "screen/clean.h"
#include "screen/style.h"

enum { INDENT = 4, LINE_MAX_SHOWN = 90 };

struct check_config_options {
	bool json, help;
	int color;
	const char *file;
};

static const struct option_row options[] = {
	OPTION_ROWS_JSON(check_config_options),
	{ "output", 'o', OPTION_STR, offsetof(struct check_config_options, file), "FILE", false, 0, NULL,
	  "write to FILE, which appears whole or not at all (- is standard output)" },
	{ "color", 0, OPTION_CHOICE, offsetof(struct check_config_options, color), "WHEN", true, 1, option_when,
	  "auto, always or never; auto is a terminal without NO_COLOR" },
	OPTION_ROWS_HELP(check_config_options),
	{ 0 },
};

/* The line where it stands, with a mark below; nothing of a line that is too long to show. */
static void put_source(const char *text, const struct config_problem *p, const struct style *style, struct strbuf *out)
{
	for (unsigned i = 1; i < p->line && text; i++) {
		text = strchr(text, '\n');
		text += text != NULL;
	}
	size_t len = text ? strcspn(text, "\r\n") : 0;
	if (!len || len > LINE_MAX_SHOWN)
		return;
	AUTO_FREE char *line = xstrndup(text, len);
	for (char *tab = strchr(line, '\t'); tab; tab = strchr(tab, '\t'))
		*tab = ' ';
	strbuf_printf(out, "%*s", INDENT, "");
	clean_add(out, line, style->utf8);
	strbuf_printf(out, "\n%*s%s^%s\n", (int)(INDENT + p->column - 1), "", style_on(style, STYLE_GOOD),
		      style_off(style, STYLE_GOOD));
}

static void put_problem(const char *file, const char *text, const struct config_problem *p, const struct style *style,
			struct strbuf *out)
{
	enum style_role role = p->warning ? STYLE_WARN : STYLE_BAD;
	strbuf_puts(out, style_on(style, STYLE_HEAD));
	clean_add(out, file, style->utf8);
	strbuf_printf(out, ":%u:%u:%s %s%s%s: ", p->line, p->column, style_off(style, STYLE_HEAD),
		      style_on(style, role), p->warning ? "warning" : "error", style_off(style, role));
	if (p->key[0]) {
		clean_add(out, p->key, style->utf8);
		strbuf_puts(out, ": ");
	}
	clean_add(out, p->text, style->utf8);
	strbuf_putc(out, '\n');
	put_source(text, p, style, out);
}

static struct err *tell_people(const char *file, const char *text, const struct config_problems *p,
			       const struct style *style)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	for (size_t i = 0; i < p->v.n; i++)
		put_problem(file, text, &p->v.v[i], style, &out);
	if (p->more)
		strbuf_printf(&out, "and %zu more\n", p->more);
	return output_write(STDERR_FILENO, "standard error", out.buf, out.len);
}

static void put_json(const char *file, bool valid, const struct config_problems *p, struct strbuf *out)
{
	struct json j;
	json_init(&j, out);
	json_object(&j, NULL);
	json_str(&j, "schema", "ullage.check-config/1");
	json_str(&j, "file", file);
	json_bool(&j, "valid", valid);
	json_array(&j, "problems");
	for (size_t i = 0; i < p->v.n; i++) {
		const struct config_problem *row = &p->v.v[i];
		json_object(&j, NULL);
		json_str(&j, "level", row->warning ? "warning" : "error");
		json_u64(&j, "line", row->line);
		json_u64(&j, "column", row->column);
		json_str(&j, "key", row->key);
		json_str(&j, "text", row->text);
		json_object_end(&j);
	}
	json_array_end(&j);
	json_array(&j, "notes");
	if (p->more)
		json_str(&j, NULL, "more is wrong than is told");
	json_array_end(&j);
	json_object_end(&j);
	strbuf_putc(out, '\n');
}

/* YAML all of it, so that it may be kept as a file. */
static void put_yaml(const char *file, const struct config *c, struct strbuf *out)
{
	if (file)
		strbuf_puts(out, "# Valid: ");
	if (file)
		clean_add(out, file, true);
	strbuf_puts(out, file ? "\n# What holds, every key of it:\n" : "# What holds without a file.\n");
	config_print(c, out);
}

static size_t errors_in(const struct config_problems *p)
{
	size_t n = p->more;
	for (size_t i = 0; i < p->v.n; i++)
		n += !p->v.v[i].warning;
	return n;
}

static struct err *refuse(const char *file, const struct config_problems *p)
{
	size_t n = errors_in(p);
	return err_new(ERR_FORMAT, "%s is not valid: %zu error%s", file, n, n == 1 ? "" : "s");
}

static struct err *tell(const struct check_config_options *opt, const char *file, const char *text, bool valid,
			const struct config_problems *p, const struct config *c)
{
	AUTO(strbuf) struct strbuf out;
	struct output to;
	struct style screen = style_of(STDERR_FILENO, (enum style_when)opt->color);
	strbuf_init(&out);
	if (opt->json)
		put_json(file, valid, p, &out);
	else if (valid)
		put_yaml(file, c, &out);
	if (!opt->json)
		TRY(tell_people(file, text, p, &screen));
	if (out.len) {
		TRY(output_open(&to, opt->file));
		TRY(output_commit(&to, out.buf, out.len));
	}
	return valid ? NULL : refuse(file, p);
}

static struct err *check_config(const struct check_config_options *opt, const struct arg_vec *operands)
{
	if (operands->n > 1)
		return err_new(ERR_ARG, "check-config takes one file, but %zu are given", operands->n);
	const char *file = operands->n ? operands->v[0] : NULL;
	AUTO(strbuf) struct strbuf text;
	struct config_problems problems;
	struct config c;
	strbuf_init(&text);
	if (file)
		TRY(config_text(file, &text));
	config_problems_init(&problems);
	bool valid = config_check(file ? file : "the defaults", text.buf, text.len, &problems, &c);
	struct err *err = tell(opt, file, text.buf, valid, &problems, &c);
	config_problems_deinit(&problems);
	if (valid)
		config_deinit(&c);
	return err;
}

static const struct check_config_options defaults = { 0 };

static struct err *run(void *values, const struct arg_vec *operands, int *status)
{
	return check_config(values, operands);
}

static const struct command_example examples[] = {
	{ "ullage check-config shop.yaml && systemctl reload ullage", "before it comes into force" },
	{ "ullage check-config > ullage.yaml", "all keys with their defaults, to begin with" },
	{ "ullage check-config --json shop.yaml | jq '.problems[]'", "line and column of each, for editors" },
	{ NULL, NULL },
};

const struct command command_check_config = {
	.name = "check-config",
	.purpose = "is this configuration of `ullage watch` valid, and what does it say",
	.usage = "check-config [OPTIONS] [FILE]",
	.about = "Reads the YAML file as `ullage watch` would and tells all that is wrong,\n"
		 "each with its line, its column and the key; then it ends with 6. Of a valid file it\n"
		 "prints the configuration that would be in force: every key with a comment and its\n"
		 "value or default, which is itself a valid file. Without FILE these are the defaults.\n"
		 "Nothing is opened that the file names: `ullage watch` rehearses that when it starts.",
	.examples = examples,
	.options = options,
	.defaults = &defaults,
	.size = sizeof(defaults),
	.run = run,
};
