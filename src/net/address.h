/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net/address - an address as libcurl holds it, for the files of this room.
 */

#include <curl/curl.h>
#include <stdbool.h>

#include "base/err.h"

/*
 * *url (to be freed with curl_url_cleanup()) and *shown, the address without user and password, to be freed with free().
 * Both may be set on an error, too. ARG: no address, or one that is neither http nor https.
 */
MUST_CHECK struct err *address_parse(const char *text, CURLU **url, char **shown);

/* Without user and password. Given, to be freed with free(). */
NEVER_NULL char *address_shown(const CURLU *url);

bool address_same_part(const CURLU *a, const CURLU *b, CURLUPart what);
bool address_is_scheme(const CURLU *url, const char *scheme);

/* For CURLOPT_PROXY: "" (none) for this machine's own addresses by their usual names, NULL for what the environment says. */
const char *address_proxy(const CURLU *url);
