/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * watch/routes - the handlers of surface/routes.def: those of what is (routes.c), and of what was (routes_past.c).
 */

#include "watch/daemon.h"

#define ROUTES_JSON "application/json"

void get_series(void *arg, const struct httpd_request *request, struct httpd_reply *reply);
void get_events(void *arg, const struct httpd_request *request, struct httpd_reply *reply);
void get_snapshots(void *arg, const struct httpd_request *request, struct httpd_reply *reply);

extern const struct httpd_route watch_routes[]; /* ends with a NULL path */
