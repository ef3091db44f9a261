/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * gort/module - the Go image inside a process: is it Go, which version, where its tables are.
 *
 * Found by content: a moduledata that agrees with the pclntab header it points at, the build info blob. No section
 * name, no symbol, no path is needed. Read through a memsrc that shows the mapped image, so a replaced file does not
 * matter.
 * Cost:   reads the writable parts of the image once (a millisecond per 4 MB), its read-only parts only when the
 *         moduledata or the build info is not in those; a megabyte of memory.
 */

#include "base/arena.h"
#include "base/vec.h"
#include "model/memsrc.h"
#include "model/vma.h"
#include "sym/pclntab.h"

struct gort_range {
	uint64_t start, end;
};

struct gort_setting {
	const char *name, *value;
};

VEC_TYPE(gort_setting_vec, struct gort_setting);
VEC_TYPE(gort_name_vec, const char *);

struct gort_module {
	struct arena arena;
	uint64_t pclntab;    /* address of the pclntab header */
	unsigned magic;	     /* low byte of the magic: 0xf0 (1.18, 1.19) or 0xf1 (1.20 on) */
	uint64_t moduledata; /* address of runtime.firstmoduledata */
	uint64_t funcnametab, cutab, filetab, pctab, pclntable;			    /* addresses */
	uint64_t funcnametab_len, cutab_len, filetab_len, pctab_len, pclntable_len; /* bytes (cutab too) */
	uint64_t nfunc; /* functions; ftab has one more row */
	struct gort_range text, noptrdata, data, bss, noptrbss;
	/* build info; version NULL when neither it nor runtime.buildVersion can be found */
	bool has_buildinfo;
	const char *version; /* "go1.22.12" */
	int minor;	     /* 22, or -1 */
	const char *main_path, *module_version, *vcs_revision;
	struct gort_name_vec experiments; /* of the X: list and of GOEXPERIMENT */
	struct gort_setting_vec settings; /* build settings: "-buildmode", "CGO_ENABLED", "DefaultGODEBUG", ... */
};

/*
 * Look for the Go image in the mappings of one ELF file: `vmas` are those of the executable (and the anonymous one that
 * continues its last). NOT_FOUND when it is not Go; FORMAT when it is but its tables are corrupt. On failure *ret needs
 * no deinit.
 */
MUST_CHECK struct err *gort_module_find(struct memsrc *src, const struct vma *vmas, size_t n, struct gort_module *ret);
void gort_module_deinit(struct gort_module *m);

/*
 * The two parsers of it, for a module with an initialized arena; they copy what they keep.
 * A build info blob ("\xff Go buildinf:", Go 1.18 on): version, settings, experiments. FORMAT when it is none.
 */
MUST_CHECK struct err *gort_buildinfo_parse(const void *blob, size_t len, struct gort_module *m);

/*
 * A version string in any of its forms ("go1.25.12 X:greenteagc", "go1.26.11-X:nogreenteagc",
 * "devel go1.28-abcdef Mon ..."): version, minor, experiments. Text that names no version leaves version NULL and
 * minor -1.
 */
void gort_version_parse(const char *text, struct gort_module *m);

/* What sym_pclntab_new() wants to know, but for gofunc. */
struct sym_pclntab_layout gort_module_pclntab(const struct gort_module *m, struct memsrc *src);
