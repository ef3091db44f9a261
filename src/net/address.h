/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net/address - an address as libcurl holds it, for the files of this room.
 */

#include <stdbool.h>

#include "net/libcurl.h"

/*
 * *url (to be freed with curl_url_cleanup()) and *shown, the address without user and password, to be freed with free().
 * Both may be set on an error, too. ARG: no address, or one that is neither http nor https.
 */
MUST_CHECK struct err *address_parse(const struct libcurl *lib, const char *text, CURLU **url, char **shown);

/* Without user and password. Given, to be freed with free(). */
NEVER_NULL char *address_shown(const struct libcurl *lib, const CURLU *url);

bool address_same_part(const struct libcurl *lib, const CURLU *a, const CURLU *b, CURLUPart what);
bool address_is_scheme(const struct libcurl *lib, const CURLU *url, const char *scheme);

/* For CURLOPT_PROXY: "" (none) for this machine's own addresses by their usual names, NULL for what the environment says. */
const char *address_proxy(const struct libcurl *lib, const CURLU *url);
