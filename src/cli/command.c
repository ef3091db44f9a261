/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/command.h"

#include <string.h>

#include "base/nearest.h"

/* clang-format off */
const struct command *const command_table[] = {
	&command_ps,
	&command_map,
	&command_heap,
	&command_owners,
	&command_goroutines,
	&command_timers,
	&command_fds,
	&command_record,
	&command_snap,
	&command_show,
	&command_diff,
	&command_diagnose,
	&command_watch,
	&command_history,
	&command_dump,
	&command_check_config,
	&command_doctor,
	&command_help,
	NULL,
};
/* clang-format on */

const char *const option_when[] = { "auto", "always", "never", NULL };

struct err *command_find(const char *name, const struct command **ret)
{
	enum { COMMANDS_MAX = 32 };
	const char *known[COMMANDS_MAX + 1] = { 0 };
	for (size_t i = 0; command_table[i] && i < COMMANDS_MAX; i++) {
		known[i] = command_table[i]->name;
		if (strcmp(known[i], name) == 0) {
			*ret = command_table[i];
			return NULL;
		}
	}
	const char *near = nearest_word(name, known);
	if (name[0] == '-')
		return err_new(ERR_ARG, "the command comes first, before '%s': see `ullage help`", name);
	if (near)
		return err_new(ERR_ARG, "unknown command '%s'; did you mean %s?", name, near);
	return err_new(ERR_ARG, "unknown command '%s'; `ullage help` lists the commands", name);
}

struct err *command_run(const struct command *c, int argc, char **argv, int *status)
{
	struct arg_vec operands = { 0 };
	AUTO_FREE void *values = xmalloc(c->size);
	memcpy(values, c->defaults, c->size);
	struct err *err = options_parse(c->options, argc, argv, values, &operands);
	if (!err)
		err = options_ask_help(c->options, values) ? command_print_help(c) : c->run(values, &operands, status);
	options_free(c->options, values);
	vec_deinit(&operands);
	return err;
}
