/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "base/cleanup.h"
#include "codec/folded.h"
#include "codec/pprof.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { UNPACKED = 4 << 20 };

static struct err *read_all(const void *data, size_t len, struct profile *ret)
{
	AUTO(stream) struct stream s;
	struct err *err = stream_open_memory(data, len, "profile", UNPACKED, &s);
	if (!err)
		return pprof_read(&s, ret);
	profile_init(ret);
	return err;
}

/* What was read is written, and then read as the same. */
static void again(const struct profile *p)
{
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	pprof_write(p, &out);
	struct profile q;
	struct err *err AUTO(err) = read_all(out.buf, out.len, &q);
	assert(!err || err_code(err) == ERR_LIMIT); /* unpacked it may be larger */
	if (!err) {
		assert(q.samples.n == p->samples.n && q.n_types == p->n_types);
		assert(!p->values.n || memcmp(q.values.v, p->values.v, p->values.n * sizeof(*p->values.v)) == 0);
		for (size_t i = 0; i < p->samples.n; i++)
			assert(stacks_depth(&q.stacks, q.samples.v[i].stack) ==
			       stacks_depth(&p->stacks, p->samples.v[i].stack));
	}
	profile_deinit(&q);
	strbuf_clear(&out);
	folded_write(p, p->n_types - 1, &out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct profile p;
	struct err *err AUTO(err) = read_all(data, size, &p);
	assert(!err || err_code(err) == ERR_FORMAT || err_code(err) == ERR_LIMIT);
	if (!err)
		again(&p);
	profile_deinit(&p);
	return 0;
}
