/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>

#include "config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A valid text is printed as one that is valid, and says the same. */
static void round_trip(const struct config *c)
{
	struct strbuf once, twice;
	struct config_problems p;
	struct config again;
	strbuf_init(&once);
	strbuf_init(&twice);
	config_problems_init(&p);
	config_print(c, &once);
	assert(config_check("again", once.buf, once.len, &p, &again));
	config_print(&again, &twice);
	assert(once.len == twice.len && memcmp(once.buf, twice.buf, once.len) == 0);
	config_deinit(&again);
	config_problems_deinit(&p);
	strbuf_deinit(&once);
	strbuf_deinit(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct config_problems p;
	struct config c;
	config_problems_init(&p);
	bool valid = config_check("fuzz", (const char *)data, size, &p, &c);
	for (size_t i = 0; i < p.v.n; i++)
		assert(p.v.v[i].line && p.v.v[i].column && p.v.v[i].text[0]);
	assert(p.v.n <= CONFIG_PROBLEMS && (valid || p.v.n));
	if (valid) {
		assert(c.policies.n && c.n_steps && c.n_steps <= CONFIG_STEPS && c.steps[c.n_steps - 1].below >= 1);
		round_trip(&c);
		config_deinit(&c);
	}
	config_problems_deinit(&p);
	return 0;
}
