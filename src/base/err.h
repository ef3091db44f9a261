/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * base/err - an error that explains itself.
 *
 * A function that can fail returns struct err *; NULL is success and the result must not be dropped.
 * An error owns one sentence. Each floor adds what it knows with err_wrap(), outermost first:
 * "pid 81: reading smaps: line 3 has no address range".
 * ERR_NOMEM and ERR_GONE need no allocation: they are static objects, and err_free() knows them.
 */

#include <stddef.h>

enum err_code {
	ERR_NOMEM,	 /* out of memory, for a size that came from outside */
	ERR_OS,		 /* a system call failed; the sentence has path and reason */
	ERR_FAULT,	 /* the target's address cannot be read */
	ERR_GONE,	 /* the target exited, or its pid now names another process */
	ERR_DENIED,	 /* a permission is missing; the sentence names it */
	ERR_FORMAT,	 /* malformed input; the sentence has file and offset or line */
	ERR_NOT_FOUND,	 /* no such process, symbol, cgroup */
	ERR_UNSUPPORTED, /* Go version, kernel feature, kind of process */
	ERR_LIMIT,	 /* a ceiling was hit */
	ERR_ARG,	 /* wrong usage */
	ERR_WRITE,	 /* an output could not be written */
	ERR_INTERNAL,	 /* a defect of this program */
	ERR_MAX_
};

struct err;

#define ERR_PRINTF(f, a) __attribute__((format(printf, f, a)))
#define MUST_CHECK __attribute__((warn_unused_result))
#define NEVER_NULL __attribute__((returns_nonnull))

/* A new error, given to the caller. */
MUST_CHECK NEVER_NULL struct err *err_new(enum err_code code, const char *fmt, ...) ERR_PRINTF(2, 3);

/*
 * An error for errno value `os` while doing what fmt says: "FMT: strerror". ESRCH becomes ERR_GONE with the
 * words of err_gone(), EACCES and EPERM become ERR_DENIED, ENOMEM becomes ERR_NOMEM, all else ERR_OS.
 */
MUST_CHECK NEVER_NULL struct err *err_os(int os, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Takes err, puts "FMT: " in front of its sentence, gives it back with the same code. NULL stays NULL. */
MUST_CHECK struct err *err_wrap(struct err *err, const char *fmt, ...) ERR_PRINTF(2, 3);

/* Takes err and gives it back with another code. NULL stays NULL. */
MUST_CHECK struct err *err_recode(struct err *err, enum err_code code);

/* Static objects. */
MUST_CHECK NEVER_NULL struct err *err_nomem(void);
MUST_CHECK NEVER_NULL struct err *err_gone(void);

enum err_code err_code(const struct err *err);
const char *err_text(const struct err *err); /* valid until the error is freed */
void err_free(struct err *err);		     /* NULL is fine */

static inline void err_auto(struct err **err)
{
	err_free(*err);
}

/* Return early with the error of a call, for the common "if it failed, so do we". */
/* clang-format off */
#define TRY(call) do { struct err *try_err_ = (call); if (try_err_) return try_err_; } while (0)
/* clang-format on */
