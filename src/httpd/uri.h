/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * httpd/uri - the target of a request: its path and the parameters of its query, decoded; and who may be named as host.
 */

#include <stdbool.h>
#include <stddef.h>

enum { URI_PARAMETERS = 32 };

struct uri {
	const char *path;
	struct {
		const char *key, *value;
	} parameters[URI_PARAMETERS];
	size_t n;
};

/*
 * Cuts up and decodes `target` in place. False when a '%' is not followed by two hexadecimal digits, when something encoded
 * is a control character, or when there are too many parameters.
 */
bool uri_parse(char *target, struct uri *ret);

/*
 * Is this authority ("HOST" or "HOST:PORT") one that only this machine can mean: localhost, an address of 127.0.0.0/8
 * written in full, [::1]? Another name may be in a foreign zone that points here.
 */
bool uri_is_loopback(const char *authority);

/* Does it have the form of an authority at all? */
bool uri_is_authority(const char *authority);
