/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * engine/sites - what stands where, look by look: goroutines by their go statement, timers by callback. For the samples of
 * a diagnosis, whether they are of a live process or of snapshots.
 *
 * A look is sites_begin(), any number of the calls below, sites_end().
 */

#include "analysis/diagnose.h"
#include "base/hash.h"
#include "base/intern.h"

struct site {
	enum diagnosis_site_kind kind;
	const char *function, *file;
	uint32_t line;
	bool library;
	struct u64_vec counts; /* one for each look */
	uint64_t gone;
};

struct site_alive {
	uint64_t id;
	uint32_t site;
};

struct sites {
	size_t looks;
	const char *module; /* of the main package, or NULL */
	struct intern strings;
	struct hash_map index;
	VEC(struct site) v;
	VEC(struct site_alive) alive, before; /* goroutines of this look and of the last, by id */
	VEC(struct diagnosis_site) view;
};

void sites_init(struct sites *s, const char *module);
void sites_deinit(struct sites *s);

void sites_begin(struct sites *s);
void sites_end(struct sites *s);

/* The site of a go statement, entered when it is new. */
uint32_t sites_of_go(struct sites *s, const struct frame *at);
/* n goroutines that were made there; id 0 is unknown. */
void sites_goroutine(struct sites *s, uint32_t site, uint64_t id, uint64_t n);
/* All timers of a look, but for deadlines: those belong to their connections, which are descriptors. */
void sites_timers(struct sites *s, const struct timers *timers);

/* All sites of all looks so far, valid until the next look. */
const struct diagnosis_site *sites_view(struct sites *s, size_t *n);
