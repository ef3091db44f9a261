/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * net/libcurl - libcurl's functions, fetched when somebody speaks HTTP.
 *
 * The library brings thirty others along. Linked, they would be mapped and relocated in every command and in every process of
 * the daemon, of which one, if any, sends something: 6 MiB resident and some milliseconds each. So it is loaded by its name,
 * and stays loaded.
 */

#include <curl/curl.h>

#include "base/err.h"

#define LIBCURL_CALLS(X)                                                                                               \
	X(easy_cleanup)                                                                                                \
	X(easy_getinfo)                                                                                                \
	X(easy_init)                                                                                                   \
	X(easy_perform)                                                                                                \
	X(easy_setopt)                                                                                                 \
	X(easy_strerror)                                                                                               \
	X(free)                                                                                                        \
	X(multi_add_handle)                                                                                            \
	X(multi_cleanup)                                                                                               \
	X(multi_info_read)                                                                                             \
	X(multi_init)                                                                                                  \
	X(multi_perform)                                                                                               \
	X(multi_poll)                                                                                                  \
	X(multi_remove_handle)                                                                                         \
	X(multi_setopt)                                                                                                \
	X(slist_append)                                                                                                \
	X(slist_free_all)                                                                                              \
	X(url)                                                                                                         \
	X(url_cleanup)                                                                                                 \
	X(url_dup)                                                                                                     \
	X(url_get)                                                                                                     \
	X(url_set)                                                                                                     \
	X(url_strerror)

/* As in curl.h, without its prefix. */
struct libcurl {
#define LIBCURL_MEMBER(name) __typeof__(curl_##name)(*(name));
	LIBCURL_CALLS(LIBCURL_MEMBER)
#undef LIBCURL_MEMBER
};

/* UNSUPPORTED: it is not installed, or lacks one of them. */
MUST_CHECK struct err *libcurl_load(struct libcurl *ret);
