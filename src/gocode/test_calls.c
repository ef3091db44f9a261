/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "fixture/image.h"
#include "fixture/types.h"
#include "gocode/calls.h"

#define VARIABLE (IMAGE_DATA + IMAGE_PTRDATA + 0x40)

enum { FUNCS = 12, LEN = 128 };

/* A program: functions are given by their code, in order. */
struct program {
	struct fixture f;
	struct gort g;
	struct gort_types types;
	struct gocode_reader r;
	struct gocode_call_vec out;
	uint64_t node, other, map; /* types */
	struct image_func funcs[FUNCS];
	unsigned char code[FUNCS][LEN];
	size_t n;
};

static void function(struct program *p, const char *name)
{
	p->funcs[p->n] = (struct image_func){ name, p->code[p->n], 0 };
	p->n++;
}

static void put(struct program *p, const void *bytes, size_t n)
{
	struct image_func *f = &p->funcs[p->n - 1];
	memcpy(p->code[p->n - 1] + f->len, bytes, n);
	f->len += n;
}

static void relative(struct program *p, const void *opcode, size_t n, uint64_t target)
{
	put(p, opcode, n);
	int32_t disp = (int32_t)(target - (image_func_addr(p->n - 1) + p->funcs[p->n - 1].len + 4));
	put(p, &disp, sizeof(disp));
}

static void call(struct program *p, const char *name)
{
	for (size_t i = 0; i < p->n; i++) {
		if (strcmp(p->funcs[i].name, name) == 0)
			relative(p, "\xe8", 1, image_func_addr(i));
	}
}

static void make(struct program *p, uint64_t rtype)
{
	relative(p, "\x48\x8d\x05", 3, rtype); /* lea rax, [type] */
	call(p, "runtime.newobject");
}

static void store(struct program *p, uint64_t variable)
{
	relative(p, "\x48\x89\x05", 3, variable); /* mov [variable], rax */
}

static void leave(struct program *p)
{
	put(p, "\xc3", 1);
}

static void add_types(struct program *p)
{
	struct types t;
	types_init(&t, &p->f, &p->g);
	p->node = types_add(&t, "main.node", GORT_KIND_STRUCT, 16, 16);
	p->other = types_add(&t, "main.other", GORT_KIND_STRUCT, 24, 24);
	p->map = types_add(&t, "map[string]int", GORT_KIND_MAP, 8, 8);
	uint64_t pointer = types_add(&t, "*main.node", GORT_KIND_POINTER, 8, 8);
	types_set(&t, pointer, GORT_ptrtype_elem, p->node);
	types_field(&t, p->node, "next", pointer, 0);
	types_field(&t, p->other, "first", p->node, 0);
	types_field(&t, p->other, "node", pointer, 16);
	types_path(&t, p->node, GORT_structtype_SIZEOF, "main");
	types_path(&t, p->other, GORT_structtype_SIZEOF, "example.org/yaml.v3");
}

static void begin(struct program *p)
{
	memset(p, 0, sizeof(*p));
	fixture_init(&p->f);
	p->g = (struct gort){ .src = &p->f.src, .layout = &gort_layouts[0] };
	add_types(p);
	function(p, "runtime.newobject");
	leave(p);
	function(p, "runtime.mapassign_faststr");
	leave(p);
	function(p, "main.New"); /* makes one */
	make(p, p->node);
	leave(p);
}

static void read_program(struct program *p)
{
	struct image spec = { .magic = 0xf1, .funcs = p->funcs, .nfuncs = p->n, .version = "go1.22.12" };
	uint64_t moduledata = p->g.module.moduledata;
	image_build(&p->f, &spec);
	assert_null(gort_module_find(&p->f.src, image_vmas, IMAGE_VMAS, &p->g.module));
	struct sym_pclntab_layout l = gort_module_pclntab(&p->g.module, &p->f.src);
	assert_null(sym_pclntab_new(&l, &p->g.pclntab));
	p->g.module.moduledata = moduledata;
	gort_types_init(&p->types, &p->g);
	gocode_reader_init(&p->r, &p->types);
	gocode_calls_read(&p->r, &p->out);
}

static void end(struct program *p)
{
	vec_deinit(&p->out);
	gocode_reader_deinit(&p->r);
	gort_types_deinit(&p->types);
	sym_pclntab_free(p->g.pclntab);
	gort_module_deinit(&p->g.module);
	fixture_deinit(&p->f);
}

static void assert_says(const struct program *p, uint64_t addr, uint64_t rtype, enum gocode_call_says says)
{
	for (size_t i = 0; i < p->out.n; i++) {
		if (p->out.v[i].addr != addr)
			continue;
		assert_true(p->out.v[i].rtype == rtype);
		assert_int_equal(p->out.v[i].says, says);
		return;
	}
	fail_msg("nothing is said of %#llx", (unsigned long long)addr);
}

static void what_functions_return_is_known_where_they_are_called(void **state)
{
	(void)state;
	struct program p;
	begin(&p);
	function(&p, "main.Wrap"); /* returns what another returns, or nil */
	call(&p, "main.New");
	put(&p, "\x48\x85\xdb\x74\x03\xc3\x90\x90", 8); /* test rbx, rbx; je +3; ret; nop; nop */
	put(&p, "\x31\xc0\xc3", 3);			/* xor eax, eax; ret */
	function(&p, "main.set");
	call(&p, "main.Wrap");
	put(&p, "\x48\x89\x44\x24\x18", 5); /* mov [rsp+0x18], rax */
	call(&p, "main.New");
	put(&p, "\x48\x8b\x4c\x24\x18", 5);	   /* mov rcx, [rsp+0x18] */
	relative(&p, "\x48\x89\x0d", 3, VARIABLE); /* mov [variable], rcx */
	leave(&p);
	read_program(&p);
	assert_int_equal(p.out.n, 1);
	assert_says(&p, VARIABLE, p.node, GOCODE_CALL_POINTER);
	end(&p);
}

/* Two ways bring different types to one place. */
static void where_two_types_are_possible_none_is_told(void **state)
{
	(void)state;
	struct program p;
	begin(&p);
	function(&p, "main.Either");
	put(&p, "\x48\x85\xc0\x74\x0d", 5); /* test rax, rax; je +13 */
	make(&p, p.node);
	leave(&p);
	make(&p, p.other);
	leave(&p);
	function(&p, "main.set");
	call(&p, "main.Either");
	store(&p, VARIABLE);
	make(&p, p.node);
	put(&p, "\x48\x85\xdb\x74\x0c", 5); /* test rbx, rbx; je +12 */
	make(&p, p.other);
	store(&p, VARIABLE + 8);
	leave(&p);
	read_program(&p);
	assert_int_equal(p.out.n, 0);
	end(&p);
}

/* What a loop changes is not known at its head. */
static void loops_are_followed_until_nothing_changes(void **state)
{
	(void)state;
	struct program p;
	begin(&p);
	function(&p, "main.loop");
	make(&p, p.node);
	put(&p, "\x48\x89\xc1", 3);		       /* mov rcx, rax */
	store(&p, VARIABLE);			       /* head: both */
	relative(&p, "\x48\x89\x0d", 3, VARIABLE + 8); /* mov [variable + 8], rcx */
	relative(&p, "\x48\x8d\x05", 3, p.other);
	put(&p, "\x48\x85\xdb\x75\xe6", 5); /* test rbx, rbx; jne head */
	leave(&p);
	read_program(&p);
	assert_int_equal(p.out.n, 1);
	assert_says(&p, VARIABLE + 8, p.node, GOCODE_CALL_POINTER);
	end(&p);
}

static void methods_tell_their_receiver(void **state)
{
	(void)state;
	struct program p;
	begin(&p);
	function(&p, "main.(*node).Len");
	leave(&p);
	function(&p, "example.org/yaml%2ev3.(*other).Next"); /* returns a field */
	put(&p, "\x48\x8b\x40\x10\xc3", 5);		     /* mov rax, [rax+16]; ret */
	function(&p, "main.use");
	relative(&p, "\x48\x8b\x0d", 3, VARIABLE); /* mov rcx, [variable] */
	put(&p, "\x48\x89\xc8", 3);		   /* mov rax, rcx */
	call(&p, "main.(*node).Len");
	relative(&p, "\x48\x8d\x05", 3, VARIABLE + 16); /* lea rax, [variable] */
	call(&p, "main.(*node).Len");
	relative(&p, "\x48\x8d\x05", 3, VARIABLE + 16);
	call(&p, "example.org/yaml%2ev3.(*other).Next");
	store(&p, VARIABLE + 8);
	relative(&p, "\x48\x8b\x0d", 3, VARIABLE + 24);
	put(&p, "\x31\xc0", 2); /* xor eax, eax */
	call(&p, "main.(*node).Len");
	leave(&p);
	read_program(&p);
	assert_int_equal(p.out.n, 3);
	assert_says(&p, VARIABLE, p.node, GOCODE_CALL_POINTER);
	assert_says(&p, VARIABLE + 8, p.node, GOCODE_CALL_POINTER);
	assert_says(&p, VARIABLE + 16, p.other, GOCODE_CALL_VALUE); /* begins with a node */
	end(&p);
}

/* The program has no descriptor of sync.Map: nothing puts one into an interface. */
static void a_sync_map_is_known_by_its_methods_alone(void **state)
{
	(void)state;
	static const char store[] = "internal/sync.(*HashTrieMap[go.shape.interface {},go.shape.interface {}]).Store";
	struct program p;
	begin(&p);
	function(&p, store);
	leave(&p);
	function(&p, "sync.(*Map).Load");
	leave(&p);
	function(&p, "main.use");
	relative(&p, "\x48\x8d\x05", 3, VARIABLE); /* lea rax, [variable] */
	call(&p, store);
	relative(&p, "\x48\x8d\x05", 3, VARIABLE + 48);
	call(&p, "sync.(*Map).Load");
	relative(&p, "\x48\x8b\x05", 3, VARIABLE + 96); /* mov rax, [variable]: a pointer to one */
	call(&p, "sync.(*Map).Load");
	leave(&p);
	read_program(&p);
	assert_int_equal(p.out.n, 0);
	assert_int_equal(p.r.maps.n, 2);
	assert_true(p.r.maps.v[0].addr == VARIABLE);
	assert_true(p.r.maps.v[1].addr == VARIABLE + 48);
	end(&p);
}

static void frames_hold_what_was_put_there(void **state)
{
	(void)state;
	struct program p;
	struct gocode_slot_vec slots = { 0 };
	begin(&p);
	function(&p, "main.(*node).Wait");
	put(&p, "\x48\x89\x44\x24\x28", 5); /* mov [rsp+0x28], rax */
	call(&p, "main.New");
	put(&p, "\x48\x89\x44\x24\x18", 5);		    /* mov [rsp+0x18], rax */
	put(&p, "\x48\xc7\x44\x24\x28\x01\x00\x00\x00", 9); /* mov qword [rsp+0x28], 1 */
	call(&p, "main.New");
	leave(&p);
	read_program(&p);
	uint64_t entry = image_func_addr(p.n - 1);
	gocode_flow_slots(&p.r, entry + 10, &slots);
	assert_int_equal(slots.n, 1);
	assert_int_equal(slots.v[0].word, 5);
	assert_true(slots.v[0].rtype == p.node);
	gocode_flow_slots(&p.r, entry + 29, &slots);
	assert_int_equal(slots.n, 2);
	assert_int_equal(slots.v[1].word, 3);
	gocode_flow_slots(&p.r, entry + 12, &slots); /* no call ends there */
	gocode_flow_slots(&p.r, 0x1000, &slots);
	assert_int_equal(slots.n, 2);
	vec_deinit(&slots);
	end(&p);
}

static void functions_that_return_themselves_come_to_an_end(void **state)
{
	(void)state;
	struct program p;
	begin(&p);
	function(&p, "main.deep");
	put(&p, "\x48\x85\xc0\x74\x06", 5); /* test rax, rax; je +6 */
	call(&p, "main.deep");
	leave(&p);
	call(&p, "main.New");
	leave(&p);
	function(&p, "main.set");
	call(&p, "main.deep");
	store(&p, VARIABLE);
	leave(&p);
	read_program(&p);
	assert_int_equal(p.out.n, 1);
	assert_says(&p, VARIABLE, p.node, GOCODE_CALL_POINTER);
	end(&p);
}

static void types_are_found_by_their_full_name(void **state)
{
	(void)state;
	struct program p;
	begin(&p);
	read_program(&p);
	assert_true(gocode_names_find(&p.r.names, "main.node", 9) == p.node);
	assert_true(gocode_names_find(&p.r.names, "main.other", 10) == 0);
	assert_true(gocode_names_receiver(&p.r.names, "example.org/yaml.v3.(*other).f") == 0);
	assert_true(gocode_names_receiver(&p.r.names, "example.org/yaml%2ev3.(*other).f") == p.other);
	assert_true(gocode_names_receiver(&p.r.names, "main.(*node).f.func1") == 0);
	assert_true(gocode_names_receiver(&p.r.names, "main.(*node).f-fm") == 0);
	end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_functions_return_is_known_where_they_are_called),
		cmocka_unit_test(where_two_types_are_possible_none_is_told),
		cmocka_unit_test(loops_are_followed_until_nothing_changes),
		cmocka_unit_test(methods_tell_their_receiver),
		cmocka_unit_test(a_sync_map_is_known_by_its_methods_alone),
		cmocka_unit_test(frames_hold_what_was_put_there),
		cmocka_unit_test(functions_that_return_themselves_come_to_an_end),
		cmocka_unit_test(types_are_found_by_their_full_name),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
