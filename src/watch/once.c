/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/once.h"

#include "watch/round.h"
#include "watch/targets.h"

/* `ullage watch --once`: no records, no actions, no listener. */
struct err *watch_once(struct daemon *d)
{
	TRY(watch_read_config(d, &d->config));
	struct sense_options look = { d->opt->procfs, "/proc/self/mountinfo", d->config };
	TRY(sense_new(&look, &d->sense));
	struct sense_calls calls;
	watch_sense_calls(d, &calls);
	sense_discover(d->sense, &calls);
	VEC(const struct watch_target *) seen = { 0 };
	for (size_t i = 0; i < d->targets.n; i++) {
		if (watch_look(d, d->targets.v[i], sense_now()))
			*vec_push(&seen) = &d->targets.v[i]->shown;
	}
	vec_sort(&seen, surface_by_size);
	d->opt->once(d->opt->arg, seen.v, seen.n, d->notes.buf);
	vec_deinit(&seen);
	return NULL;
}
