/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An executable with damage: the input chooses a layout, patches {where, value} of the fixture's image, and the code
 * that every function of the runtime has. Module, functions and variables are looked for.
 */
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "base/cursor.h"
#include "fixture/image.h"
#include "gort/globals.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"runtime.mallocinit",	      "runtime.(*mheap).init",
	"runtime.(*mheap).allocSpan", "runtime.(*consistentHeapStats).acquire",
	"runtime.forEachG",	      "runtime.allgadd",
	"runtime.mcommoninit",	      "runtime.mexit",
	"runtime.stkbucket",	      "runtime.profilealloc",
	"runtime.newArenaMayUnlock",  "runtime.gcSweep",
	"runtime.goroutineheader",    "runtime.schedinit",
};

enum { NAMES = sizeof(names) / sizeof(names[0]) };

static void build(struct fixture *f, struct cursor *c, uint8_t flags)
{
	struct image_func funcs[NAMES];
	unsigned patches = cursor_u8(c) % 64;
	struct cursor code = *c;
	cursor_skip(&code, patches * UINT64_C(11));
	size_t len = code.bad ? 0 : cursor_left(&code);
	for (size_t i = 0; i < NAMES; i++)
		funcs[i] = (struct image_func){ names[i], code.p, len < IMAGE_FUNC_LEN ? len : IMAGE_FUNC_LEN };
	image_build(f, &(struct image){ flags & 1 ? 0xf1 : 0xf0, funcs, NAMES, flags & 2 ? "go1.22.12" : NULL,
					"path\tmain\nbuild\t-buildmode=exe\n" });
	for (unsigned i = 0; i < patches; i++) {
		struct fixture_region *r = &f->regions.v[cursor_u8(c) % f->regions.n];
		size_t at = cursor_u16(c);
		fixture_put(f, r->addr + at * 8 % r->len, cursor_u64(c), 8);
	}
}

static void use(struct fixture *f, struct gort_module *m, const struct gort_layout *l)
{
	struct sym_pclntab_layout p = gort_module_pclntab(m, &f->src);
	p.gofunc = IMAGE_RODATA;
	struct sym_pclntab *t = NULL;
	struct gort_globals g;
	struct err *err = sym_pclntab_new(&p, &t);
	if (!err)
		gort_globals_find(&f->src, m, t, l, (struct gort_symbols){ 0 }, &g);
	err_free(err);
	sym_pclntab_free(t);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct cursor c;
	struct fixture f;
	struct gort_module m;
	cursor_init(&c, data, size);
	uint8_t flags = cursor_u8(&c);
	fixture_init(&f);
	build(&f, &c, flags);
	struct err *err = gort_module_find(&f.src, image_vmas, IMAGE_VMAS, &m);
	if (!err) {
		use(&f, &m, &gort_layouts[(flags >> 2) % gort_layouts_count]);
		gort_module_deinit(&m);
	}
	err_free(err);
	fixture_deinit(&f);
	return 0;
}
