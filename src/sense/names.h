/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * sense/names - what the path of a cgroup says of who runs in it, and whether a rule of the configuration names a process.
 *
 * systemd's units and the containers of Docker, containerd, CRI-O, Podman, LXC and Kubernetes are told by the names that
 * these give to cgroups. Names are foreign: they are only cut, never interpreted.
 */

#include <stdbool.h>

#include "base/arena.h"
#include "config/config.h"

/* The innermost unit ("web.service", "session-1.scope"), in `arena`, or NULL. */
const char *sense_unit_of(const char *cgroup_path, struct arena *arena);
/* The innermost container: the id as its runtime knows it, or LXC's name; in `arena`, or NULL. */
const char *sense_container_of(const char *cgroup_path, struct arena *arena);

/* What rules look at. Members may be NULL: then no rule that names them matches. */
struct sense_facts {
	const char *comm, *exe, *cgroup, *unit, *container;
	bool is_go;
};

bool sense_match(const struct config_match *m, const struct sense_facts *f);

/* Without a rule: every Go process. Else the first rule that matches decides; none: when all rules only exclude, as without. */
bool sense_wanted(const struct config *c, const struct sense_facts *f);

/* What rules ask for besides the executable: what changes without an exec. */
enum sense_need { SENSE_NEED_NAME = 1, SENSE_NEED_CGROUP = 2 };
unsigned sense_rules_need(const struct config *c);
