/* SPDX-License-Identifier: Apache-2.0 */
#include "operand/hprof.h"

#include "jvm/owners.h"

struct err *hprof_owners(struct infile *f, const struct owners_options *opt, const char *procfs, struct snapshot *ret)
{
	const struct jvm_owners_options want = {
		.memory = opt->memory ? opt->memory : engine_memory_budget(procfs ? procfs : "/proc"),
		.quick = opt->quick,
		.type = opt->type,
	};
	return jvm_owners_read(&f->stream, &want, ret);
}
