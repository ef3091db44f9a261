/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <sys/mman.h>

#include "base/cleanup.h"
#include "base/num.h"
#include "core/core.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Mappings and segments come out sorted and disjoint, and no more pages than the file has bytes for. */
static void check(struct core *c)
{
	struct page_vec runs = { 0 };
	unsigned char buf[64];
	uint64_t end = 0, sum = 0;
	for (size_t i = 0; i < c->segments.n; i++) {
		const struct core_segment *s = &c->segments.v[i];
		assert(s->start >= end && s->start < s->end && s->filled <= s->end - s->start);
		end = s->end;
		memsrc_read(&c->src, s->start, buf, sizeof(buf));
		memsrc_read(&c->src, s->end - 8, buf, 16);
		err_free(core_pages(c, s->start, s->end, &runs));
	}
	end = 0;
	for (size_t i = 0; i < c->maps.n; i++) {
		const struct vma *v = &c->maps.v[i];
		assert(v->start >= end && v->start < v->end && v->name);
		end = v->end;
		const struct core_file *f = core_file_of(c, v);
		assert(!f || (size_t)(f - c->files.v) < c->files.n);
		memsrc_read(&c->src, v->start, buf, sizeof(buf));
	}
	for (size_t i = 0; i < runs.n && !c->pages.n; i++)
		sum += runs.v[i].end - runs.v[i].start;
	assert(sum <= c->size);
	core_environ(c, "GODEBUG", &c->arena);
	vec_deinit(&runs);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	AUTO_CLOSE int fd = memfd_create("core", MFD_CLOEXEC);
	struct core c;
	if (fd < 0 || write(fd, data, size) != (ssize_t)size)
		return 0;
	struct err *err AUTO(err) = core_open(fd, "fuzz", &c);
	if (!err) {
		check(&c);
		core_close(&c);
	}
	return 0;
}
