/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/types.h"
#include "gocode/flow.h"

#define CODE UINT64_C(0x5000000)
#define DATA UINT64_C(0x5100000)
#define NEWOBJECT UINT64_C(0x4000000)
#define MAKEMAP_SMALL UINT64_C(0x4000100)
#define MAPASSIGN UINT64_C(0x4000200)
#define BARRIER UINT64_C(0x4000300)
#define OTHER UINT64_C(0x4000400)

static const struct gocode_callee newobject = { "newobject", GOCODE_RAX, GOCODE_CALLEE_RESULT, GOCODE_CALL_POINTER };
static const struct gocode_callee makemap = { "makemap_small", GOCODE_RAX, GOCODE_CALLEE_MAP, GOCODE_CALL_SELF };
static const struct gocode_callee mapassign = { "mapassign", GOCODE_RAX, GOCODE_CALLEE_SELF, GOCODE_CALL_SELF };
static const struct gocode_callee barrier = { "gcWriteBarrier", GOCODE_RAX, GOCODE_CALLEE_BARRIER, GOCODE_CALL_VALUE };

struct code {
	struct fixture f;
	struct gort g;
	struct gort_types types;
	struct gocode_reader r;
	struct gocode_call_vec *out; /* of the reader */
	unsigned char bytes[512];
	size_t n;
	uint64_t node, map; /* types */
};

static void callee(struct code *c, uint64_t entry, const struct gocode_callee *row)
{
	*hash_map_at(&c->r.callees.rows, entry, NULL) = (uint64_t)(uintptr_t)row;
}

static void setup(struct code *c)
{
	struct types t;
	memset(c, 0, sizeof(*c));
	fixture_init(&c->f);
	c->g = (struct gort){ .src = &c->f.src, .layout = &gort_layouts[0] };
	c->g.module.data = (struct gort_range){ DATA, DATA + 4096 };
	types_init(&t, &c->f, &c->g);
	c->node = types_add(&t, "main.node", GORT_KIND_STRUCT, 16, 16);
	uint64_t pointer = types_add(&t, "*main.node", GORT_KIND_POINTER, 8, 8);
	types_set(&t, pointer, GORT_ptrtype_elem, c->node);
	types_field(&t, c->node, "next", pointer, 0);
	c->map = types_add(&t, "map[string]int", GORT_KIND_MAP, 8, 8);
	gort_types_init(&c->types, &c->g);
	c->r = (struct gocode_reader){ .g = &c->g, .types = &c->types, .budget = 1 << 20 };
	c->out = &c->r.all;
	c->r.callees = (struct gocode_callees){ .first = NEWOBJECT, .last = OTHER };
	callee(c, NEWOBJECT, &newobject);
	callee(c, MAKEMAP_SMALL, &makemap);
	callee(c, MAPASSIGN, &mapassign);
	callee(c, BARRIER, &barrier);
}

static void teardown(struct code *c)
{
	gocode_reader_deinit(&c->r);
	gort_types_deinit(&c->types);
	fixture_deinit(&c->f);
}

static void put(struct code *c, const void *bytes, size_t n)
{
	memcpy(c->bytes + c->n, bytes, n);
	c->n += n;
}

/* An instruction that ends in the distance to a target. */
static void relative(struct code *c, const void *opcode, size_t n, uint64_t target)
{
	put(c, opcode, n);
	int32_t disp = (int32_t)(target - (CODE + c->n + 4));
	put(c, &disp, sizeof(disp));
}

static void call(struct code *c, uint64_t target)
{
	relative(c, "\xe8", 1, target);
}

static void lea_rax(struct code *c, uint64_t target)
{
	relative(c, "\x48\x8d\x05", 3, target);
}

static void store_rax(struct code *c, uint64_t target)
{
	relative(c, "\x48\x89\x05", 3, target);
}

static void run(struct code *c)
{
	gocode_flow_bytes(&c->r, "main.f", c->bytes, c->n, CODE);
}

static void assert_says(const struct code *c, size_t i, uint64_t addr, uint64_t rtype, enum gocode_call_says says)
{
	assert_true(i < c->out->n);
	assert_true(c->out->v[i].addr == addr);
	assert_true(c->out->v[i].rtype == rtype);
	assert_int_equal(c->out->v[i].says, says);
}

static void what_is_made_is_followed_through_the_frame(void **state)
{
	(void)state;
	struct code c;
	setup(&c);
	lea_rax(&c, c.node);
	call(&c, NEWOBJECT);
	put(&c, "\x48\x89\x44\x24\x18", 5); /* mov [rsp+0x18], rax */
	call(&c, OTHER);
	put(&c, "\x48\x8b\x44\x24\x18", 5); /* mov rax, [rsp+0x18] */
	call(&c, BARRIER);
	store_rax(&c, DATA + 64);
	run(&c);
	assert_int_equal(c.out->n, 1);
	assert_says(&c, 0, DATA + 64, c.node, GOCODE_CALL_POINTER);
	teardown(&c);
}

static void what_was_overwritten_tells_nothing(void **state)
{
	(void)state;
	struct code c;
	setup(&c);
	lea_rax(&c, c.node);
	call(&c, NEWOBJECT);
	put(&c, "\x31\xc0", 2); /* xor eax, eax */
	store_rax(&c, DATA + 64);
	lea_rax(&c, c.node);
	call(&c, NEWOBJECT);
	call(&c, OTHER);
	store_rax(&c, DATA + 72);
	lea_rax(&c, c.node + 8); /* no type */
	call(&c, NEWOBJECT);
	store_rax(&c, DATA + 80);
	lea_rax(&c, c.node);
	call(&c, NEWOBJECT);
	store_rax(&c, DATA + 4096); /* no variable */
	run(&c);
	assert_int_equal(c.out->n, 0);
	teardown(&c);
}

/* A small map is made without a type; the first assignment has it. */
static void small_maps_get_their_type_later(void **state)
{
	(void)state;
	struct code c;
	setup(&c);
	call(&c, MAKEMAP_SMALL);
	store_rax(&c, DATA + 8);
	put(&c, "\x48\x89\xc3", 3); /* mov rbx, rax */
	lea_rax(&c, c.map);
	call(&c, MAPASSIGN);
	run(&c);
	assert_int_equal(c.out->n, 1);
	assert_says(&c, 0, DATA + 8, c.map, GOCODE_CALL_SELF);
	teardown(&c);
}

/* x.next = head: the field's type is the variable's. */
static void fields_tell_what_is_stored_in_them(void **state)
{
	(void)state;
	struct code c;
	setup(&c);
	lea_rax(&c, c.node);
	call(&c, NEWOBJECT);
	relative(&c, "\x48\x8b\x0d", 3, DATA + 16); /* mov rcx, [head] */
	put(&c, "\x48\x89\x08", 3);		    /* mov [rax], rcx */
	relative(&c, "\x48\x8d\x0d", 3, DATA + 32); /* lea rcx, [static] */
	put(&c, "\x48\x89\x08", 3);
	run(&c);
	assert_int_equal(c.out->n, 2);
	assert_says(&c, 0, DATA + 16, c.node, GOCODE_CALL_POINTER);
	assert_says(&c, 1, DATA + 32, c.node, GOCODE_CALL_VALUE);
	teardown(&c);
}

/* Whatever the bytes are, they are read within their bounds. */
static void any_bytes_are_survived(void **state)
{
	(void)state;
	for (unsigned seed = 1; seed < 64; seed++) {
		struct code c;
		setup(&c);
		uint32_t x = seed;
		for (c.n = 0; c.n < sizeof(c.bytes); c.n++) {
			x = x * 1664525 + 1013904223;
			c.bytes[c.n] = (unsigned char)(x >> 24);
		}
		c.n = sizeof(c.bytes) - seed % 8;
		run(&c);
		teardown(&c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_made_is_followed_through_the_frame),
		cmocka_unit_test(what_was_overwritten_tells_nothing),
		cmocka_unit_test(small_maps_get_their_type_later),
		cmocka_unit_test(fields_tell_what_is_stored_in_them),
		cmocka_unit_test(any_bytes_are_survived),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
