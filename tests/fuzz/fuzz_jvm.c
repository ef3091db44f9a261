/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "jvm/owners.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is retained adds up, paths lead somewhere; what fails is FORMAT or a ceiling. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct jvm_owners_options ways[] = {
		{ .memory = 256 << 20 },
		{ .memory = 256 << 20, .type = "java.lang.String" },
		{ .memory = 64 << 10, .quick = true },
	};
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		AUTO(snapshot) struct snapshot s;
		AUTO(stream) struct stream in;
		snapshot_init(&s);
		struct err *err AUTO(err) = stream_open_memory(data, size, "input", 16 << 20, &in);
		if (!err)
			err = jvm_owners_read(&in, &ways[i], &s);
		assert(!err || err_code(err) == ERR_FORMAT || err_code(err) == ERR_LIMIT ||
		       err_code(err) == ERR_UNSUPPORTED);
		uint64_t retained = 0;
		for (size_t k = 0; k < s.owners.roots.n; k++)
			retained += s.owners.roots.v[k].retained;
		assert(err || retained == s.owners.reachable);
		for (size_t k = 0; k < s.owners.paths.n; k++) {
			const struct owners_path *p = &s.owners.paths.v[k];
			assert(p->root < s.owners.roots.n && p->text && p->step_at + p->step_n <= s.owners.steps.n);
		}
	}
	return 0;
}
