/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/incident - what is told of an incident: a JSON object for whoever reads it, and the parts of an Alertmanager alert.
 *
 * The object (schema "ullage.incident/1") is what a webhook gets, a line of a file, and the input of a command; docs/watch-actions.md
 * describes it. Labels name what an alert is about and stay the same while it lasts: no figure, no pid.
 */

#include "act/act.h"

struct incident {
	char *json;		    /* one line */
	char *labels, *annotations; /* objects of JSON */
	char *started, *now;	    /* RFC 3339 */
};

/* Of the order's strings nothing is kept. `host`: the name of this machine. */
void incident_init(struct incident *in, const char *host, const char *policy, const struct act_order *o);
void incident_deinit(struct incident *in);
