/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/problems - what is wrong with a configuration, in the order of the text.
 */

#include <stdbool.h>

#include "config/config.h"
#include "config/yaml.h"

/* At a node, whose key is `path` ("policies[0].open"; "" the whole); beyond CONFIG_PROBLEMS they are only counted. */
void problems_add(struct config_problems *p, const struct yaml *at, bool warning, const char *path, const char *text);
void problems_sort(struct config_problems *p);
bool problems_refuse(const struct config_problems *p);			  /* is one of them more than a warning? */
bool problems_at(const struct config_problems *p, const struct yaml *at); /* is something wrong there already? */
