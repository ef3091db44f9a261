/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/cleanup - release on the way out of a scope.
 *
 * AUTO_FREE char *s = ...;      freed with free()
 * AUTO_CLOSE int fd = -1;       closed when >= 0
 * AUTO(strbuf) struct strbuf b; calls strbuf_auto(&b), defined by AUTO_DEFINE(strbuf, ...)
 * take_ptr(p)                   moves a pointer out and leaves NULL
 */

#include <stdlib.h>
#include <unistd.h>

#define AUTO_FREE __attribute__((cleanup(cleanup_free)))
#define AUTO_CLOSE __attribute__((cleanup(cleanup_close)))
#define AUTO(type) __attribute__((cleanup(type##_auto)))

/* clang-format off */
#define take_ptr(p) ({ __typeof__(p) taken_ = (p); (p) = NULL; taken_; })
#define take_fd(fd) ({ int taken_ = (fd); (fd) = -1; taken_; })
/* clang-format on */

static inline void cleanup_free(void *p)
{
	free(*(void **)p);
}

static inline void cleanup_close(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}
