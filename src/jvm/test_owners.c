/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "fixture/hprof.h"
#include "jvm/owners.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

static struct dump d;

/* ---- a small heap ---- */

/* Identifiers of names, classes and objects. Classes are objects: their identifiers are addresses as well. */
enum {
	N_OBJECT = 1,
	N_CLASS,
	N_STRING,
	N_THREAD,
	N_LEAK,
	N_SESSION,
	N_REFERENCE,
	N_WEAK,
	N_SOFT,
	N_FINAL,
	N_OBJECTS,
	N_LOADER,
	N_APP,
	N_PLUGIN,
	N_HASHMAP,
	N_NODES,
	N_NODE,
	N_LIST,
	F_CACHE = 50,
	F_VALUE,
	F_NAME,
	F_REFERENT,
	F_NEXT,
	F_PAYLOAD,
	F_SIZE,
	F_TABLE,
	F_KEY,
	F_CODER,
	F_ELEMENTS,
	M_RUN = 80,
	M_WAIT,
	S_FILE,
	CONSTANTS,
};

enum {
	C_OBJECT = 0x1000,
	C_CLASS = 0x1100,
	C_STRING = 0x1200,
	C_THREAD = 0x1300,
	C_LEAK = 0x1400,
	C_SESSION = 0x1500,
	C_REFERENCE = 0x1600,
	C_WEAK = 0x1700,
	C_SOFT = 0x1800,
	C_FINAL = 0x1900,
	C_OBJECTS = 0x1a00,
	C_LOADER = 0x1b00,
	C_APP = 0x1c00,
	C_PLUGIN = 0x1d00,
	C_HASHMAP = 0x1e00,
	C_NODES = 0x1f00,
	C_NODE = 0x2000,
	C_LIST = 0x2100,
};

/* Thread: name; Session: next, payload; String: value, coder. */
static const struct dump_field f_thread[] = { { F_NAME, DUMP_OBJECT, 0 } };
static const struct dump_field f_session[] = { { F_NEXT, DUMP_OBJECT, 0 }, { F_PAYLOAD, DUMP_OBJECT, 0 } };
static const struct dump_field f_string[] = { { F_VALUE, DUMP_OBJECT, 0 }, { F_CODER, DUMP_BYTE, 0 } };
static const struct dump_field f_reference[] = { { F_REFERENT, DUMP_OBJECT, 0 } };
static const struct dump_field f_map[] = { { F_TABLE, DUMP_OBJECT, 0 }, { F_SIZE, DUMP_INT, 0 } };
static const struct dump_field f_node[] = { { F_KEY, DUMP_OBJECT, 0 },
					    { F_VALUE, DUMP_OBJECT, 0 },
					    { F_NEXT, DUMP_OBJECT, 0 } };
static const struct dump_field f_list[] = { { F_ELEMENTS, DUMP_OBJECT, 0 }, { F_SIZE, DUMP_INT, 0 } };

static void names(void)
{
	static const struct {
		uint64_t id;
		const char *text;
	} all[] = {
		{ N_OBJECT, "java/lang/Object" },
		{ N_CLASS, "java/lang/Class" },
		{ N_STRING, "java/lang/String" },
		{ N_THREAD, "java/lang/Thread" },
		{ N_LEAK, "Leak" },
		{ N_SESSION, "Leak$Session" },
		{ N_REFERENCE, "java/lang/ref/Reference" },
		{ N_WEAK, "java/lang/ref/WeakReference" },
		{ N_SOFT, "java/lang/ref/SoftReference" },
		{ N_FINAL, "java/lang/ref/FinalReference" },
		{ N_OBJECTS, "[Ljava/lang/Object;" },
		{ N_LOADER, "Plugins" },
		{ N_APP, "jdk/internal/loader/ClassLoaders$AppClassLoader" },
		{ N_PLUGIN, "plugin/Registry" },
		{ N_HASHMAP, "java/util/HashMap" },
		{ N_NODES, "[Ljava/util/HashMap$Node;" },
		{ N_NODE, "java/util/HashMap$Node" },
		{ N_LIST, "java/util/ArrayList" },
		{ F_CACHE, "CACHE" },
		{ F_VALUE, "value" },
		{ F_NAME, "name" },
		{ F_REFERENT, "referent" },
		{ F_NEXT, "next" },
		{ F_PAYLOAD, "payload" },
		{ F_SIZE, "size" },
		{ F_TABLE, "table" },
		{ F_KEY, "key" },
		{ F_CODER, "coder" },
		{ F_ELEMENTS, "elementData" },
		{ M_RUN, "run" },
		{ M_WAIT, "wait" },
		{ S_FILE, "Leak.java" },
		{ CONSTANTS, "<resolved_references>" },
	};
	for (size_t i = 0; i < LEN(all); i++)
		dump_string(&d, all[i].id, all[i].text);
	for (uint64_t k = 0; k < 18; k++)
		dump_load_class(&d, C_OBJECT + k * 0x100, N_OBJECT + k);
}

/* Statics of Leak; the plugin's class has a loader of its own. */
static void classes(uint64_t cache, uint64_t loader, uint64_t registry)
{
	const struct dump_field leak[] = { { F_CACHE, DUMP_OBJECT, cache } };
	const struct dump_field plugin[] = { { F_CACHE, DUMP_OBJECT, registry } };
	dump_class(&d, C_OBJECT, 0, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_CLASS, C_OBJECT, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_STRING, C_OBJECT, 0, NULL, 0, f_string, LEN(f_string));
	dump_class(&d, C_THREAD, C_OBJECT, 0, NULL, 0, f_thread, LEN(f_thread));
	dump_class(&d, C_LEAK, C_OBJECT, 0, leak, LEN(leak), NULL, 0);
	dump_class(&d, C_SESSION, C_OBJECT, 0, NULL, 0, f_session, LEN(f_session));
	dump_class(&d, C_REFERENCE, C_OBJECT, 0, NULL, 0, f_reference, LEN(f_reference));
	dump_class(&d, C_WEAK, C_REFERENCE, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_SOFT, C_REFERENCE, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_FINAL, C_REFERENCE, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_OBJECTS, C_OBJECT, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_LOADER, C_OBJECT, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_APP, C_OBJECT, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_PLUGIN, C_OBJECT, loader, plugin, LEN(plugin), NULL, 0);
	dump_class(&d, C_HASHMAP, C_OBJECT, 0, NULL, 0, f_map, LEN(f_map));
	dump_class(&d, C_NODES, C_OBJECT, 0, NULL, 0, NULL, 0);
	dump_class(&d, C_NODE, C_OBJECT, 0, NULL, 0, f_node, LEN(f_node));
	dump_class(&d, C_LIST, C_OBJECT, 0, NULL, 0, f_list, LEN(f_list));
}

static void begin(size_t ids, uint64_t cache, uint64_t loader, uint64_t registry)
{
	dump_start(&d, ids);
	names();
	dump_open(&d);
	classes(cache, loader, registry);
}

static void end(void)
{
	dump_close(&d);
	dump_end(&d);
}

static void object(uint64_t id, uint64_t class, const char *types, uint64_t a, uint64_t b, uint64_t c)
{
	const uint64_t values[] = { a, b, c };
	dump_instance(&d, id, class, types, values);
}

static struct err *read_with(const struct jvm_owners_options *opt, struct snapshot *s)
{
	AUTO(stream) struct stream in;
	snapshot_init(s);
	TRY(stream_open_memory(d.out.buf, d.out.len, "x.hprof", UINT64_MAX, &in));
	return jvm_owners_read(&in, opt, s);
}

static void read_well(struct snapshot *s)
{
	AUTO(err) struct err *err = read_with(&(struct jvm_owners_options){ 0 }, s);
	if (err)
		fail_msg("%s", err_text(err));
	assert_true(s->parts & SNAPSHOT_OWNERS);
	assert_true(s->owners.jvm);
}

static const struct owners_root *root(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->owners.roots.n; i++) {
		if (strcmp(s->owners.roots.v[i].name, name) == 0)
			return &s->owners.roots.v[i];
	}
	return NULL;
}

static const struct owners_path *path(const struct snapshot *s, const char *text)
{
	for (size_t i = 0; i < s->owners.paths.n; i++) {
		if (strcmp(s->owners.paths.v[i].text, text) == 0)
			return &s->owners.paths.v[i];
	}
	return NULL;
}

static const struct owners_type *type(const struct snapshot *s, const char *name)
{
	for (size_t i = 0; i < s->owners.types.n; i++) {
		if (strcmp(s->owners.types.v[i].type, name) == 0)
			return &s->owners.types.v[i];
	}
	return NULL;
}

/* ---- tests ---- */

enum { SESSION = 24, KILO = 1016, STRING = 24, MAP = 24, NODE = 24 }; /* bytes; compressed references */

/* A list of sessions, each with a payload; forward references, a cycle back to the first. */
static void sessions(size_t ids)
{
	begin(ids, 0x10000, 0, 0);
	for (uint64_t i = 0; i < 10; i++) {
		object(0x10000 + 0x100 * i, C_SESSION, "OO", i < 9 ? 0x10000 + 0x100 * (i + 1) : 0x10000,
		       0x20000 + KILO * i, 0);
		dump_bytes(&d, 0x20000 + KILO * i, NULL, 1000);
	}
	object(0x90000, C_SESSION, "OO", 0x10000, 0, 0); /* nothing leads here */
	end();
}

static void a_static_field_holds_what_hangs_on_it(void **state)
{
	static const size_t widths[] = { 4, 8 };
	for (size_t i = 0; i < LEN(widths); i++) {
		AUTO(snapshot) struct snapshot s;
		uint64_t session = widths[i] == 4 ? 16 : SESSION;
		sessions(widths[i]);
		read_well(&s);
		assert_int_equal(root(&s, "Leak.CACHE")->kind, OWNERS_GLOBAL);
		assert_int_equal(root(&s, "Leak.CACHE")->retained, 10 * (session + KILO));
		assert_int_equal(root(&s, "Leak.CACHE")->retained_objects, 20);
		assert_int_equal(type(&s, "Leak$Session")->objects, 10);
		assert_int_equal(type(&s, "Leak$Session")->retained, 10 * (session + KILO));
		assert_int_equal(type(&s, "byte[]")->retained, 10 * KILO);
		const struct owners_path *p = path(&s, "Leak.CACHE (static) -> Leak$Session -> byte[]");
		assert_non_null(p);
		assert_int_equal(p->retained, 10 * KILO);
		assert_int_equal(p->step_n, 2);
		assert_string_equal(s.owners.steps.v[p->step_at + 1].field, "payload");
		assert_int_equal(s.owners.floating, session);
		assert_int_equal(s.owners.floating_objects, 1);
	}
}

static void weak_references_hold_nothing_and_soft_ones_do(void **state)
{
	static const struct {
		uint64_t class;
		bool holds;
	} rows[] = { { C_WEAK, false }, { C_SOFT, true } };
	for (size_t i = 0; i < LEN(rows); i++) {
		AUTO(snapshot) struct snapshot s;
		begin(8, 0x10000, 0, 0);
		object(0x10000, rows[i].class, "O", 0x20000, 0, 0);
		dump_bytes(&d, 0x20000, NULL, 1000);
		end();
		read_well(&s);
		assert_int_equal(type(&s, "byte[]") != NULL, rows[i].holds);
		assert_int_equal(s.owners.floating >= KILO, !rows[i].holds);
	}
}

static void what_waits_for_its_finalizer_is_held_by_that(void **state)
{
	AUTO(snapshot) struct snapshot s;
	const uint64_t both[] = { 0x10100, 0x10200 };
	begin(8, 0x10000, 0, 0);
	dump_objects(&d, 0x10000, C_OBJECTS, both, 2);
	object(0x10100, C_FINAL, "O", 0x20000, 0, 0);
	object(0x10200, C_FINAL, "O", 0x10000, 0, 0); /* is alive by others */
	dump_bytes(&d, 0x20000, NULL, 1000);
	end();
	read_well(&s);
	assert_int_equal(root(&s, "objects that wait for their finalizer")->kind, OWNERS_FINALIZER);
	assert_int_equal(root(&s, "objects that wait for their finalizer")->retained, KILO);
}

static void threads_have_names_and_places(void **state)
{
	AUTO(snapshot) struct snapshot s;
	const uint64_t frames[] = { 501, 502 };
	dump_start(&d, 8);
	names();
	dump_frame(&d, 501, M_WAIT, S_FILE, C_OBJECT, 0);
	dump_frame(&d, 502, M_RUN, S_FILE, C_LEAK, 42);
	dump_trace(&d, 7, 1, frames, 2);
	dump_trace(&d, 8, 2, frames, 2);
	dump_open(&d);
	classes(0, 0, 0);
	for (uint64_t i = 0; i < 2; i++) {
		object(0x30000 + 0x100 * i, C_THREAD, "O", 0x31000 + 0x100 * i, 0, 0);
		object(0x31000 + 0x100 * i, C_STRING, "OB", 0x32000 + 0x100 * i, i, 0);
		dump_root(&d, 0x08, 0x30000 + 0x100 * i, (uint32_t)i + 1, 7 + (uint32_t)i);
	}
	dump_bytes(&d, 0x32000, "worker-1", 8);
	dump_bytes(&d, 0x32100,
		   "w\0o\0r\0k\0e\0r\0-\0"
		   "22",
		   15); /* odd: the last byte is none */
	dump_bytes(&d, 0x40000, NULL, 1000);
	dump_root(&d, 0x03, 0x40000, 2, 1);
	end();
	read_well(&s);
	const struct owners_root *first = root(&s, "thread \"worker-1\""), *second = root(&s, "thread \"worker-\"");
	assert_non_null(first);
	assert_non_null(second);
	assert_int_equal(second->kind, OWNERS_STACK);
	assert_int_equal(second->goroutines, 1);
	assert_true(second->retained >= KILO);
	assert_string_equal(second->blocked_at, "java.lang.Object.wait");
	assert_string_equal(second->site.function, "Leak.run");
	assert_int_equal(second->site.line, 42);
}

static void threads_of_one_name_and_place_are_one_root(void **state)
{
	AUTO(snapshot) struct snapshot s;
	begin(8, 0, 0, 0);
	for (uint64_t i = 0; i < 3; i++) {
		char name[16];
		object(0x30000 + 0x100 * i, C_THREAD, "O", 0x31000 + 0x100 * i, 0, 0);
		object(0x31000 + 0x100 * i, C_STRING, "OB", 0x32000 + 0x100 * i, 0, 0);
		dump_bytes(&d, 0x32000 + 0x100 * i, name, (size_t)snprintf(name, sizeof(name), "pool-1-%d", (int)i));
		dump_root(&d, 0x08, 0x30000 + 0x100 * i, (uint32_t)i + 1, 0);
	}
	end();
	read_well(&s);
	assert_non_null(root(&s, "threads \"pool-#-#\""));
	assert_int_equal(root(&s, "threads \"pool-#-#\"")->goroutines, 3);
}

static void a_class_that_may_be_unloaded_is_an_object_with_its_statics(void **state)
{
	AUTO(snapshot) struct snapshot s;
	const uint64_t one[] = { C_PLUGIN };
	begin(8, 0x50000, 0x50000, 0x60000);
	object(0x50000, C_LOADER, "", 0, 0, 0);
	dump_bytes(&d, 0x60000, NULL, 1000);
	dump_objects(&d, 0x70000, C_OBJECTS, one, 1);
	dump_root(&d, 0x01, 0x70000, 0, 0);
	end();
	read_well(&s);
	assert_null(root(&s, "plugin.Registry.CACHE"));
	const struct owners_path *p =
		path(&s, "JNI global references -> java.lang.Object[] -> class plugin.Registry -> byte[]");
	assert_non_null(p);
	assert_string_equal(s.owners.steps.v[p->step_at + 2].field, "CACHE");
}

static void a_class_of_the_application_loader_is_a_root(void **state)
{
	AUTO(snapshot) struct snapshot s;
	begin(8, 0x50000, 0x50000, 0x60000);
	object(0x50000, C_APP, "", 0, 0, 0);
	dump_bytes(&d, 0x60000, NULL, 1000);
	end();
	read_well(&s);
	assert_int_equal(root(&s, "plugin.Registry.CACHE")->retained, KILO);
}

/* A map of 3 entries with a table of 64, where 4 slots would do; a list with room for 100 and one element. */
static void containers_tell_what_they_do_not_use(void **state)
{
	AUTO(snapshot) struct snapshot s;
	uint64_t table[64] = { 0 }, room[100] = { 0x10000 };
	begin(8, 0x10000, 0, 0);
	for (uint64_t i = 0; i < 3; i++) {
		/* the third hangs on the second */
		object(0x40000 + 0x100 * i, C_NODE, "OOO", 0x50000, 0x50000 + 0x100 * i, i == 1 ? 0x40200 : 0);
		object(0x50000 + 0x100 * i, C_STRING, "OB", 0, 0, 0);
		if (i < 2)
			table[i * 7] = 0x40000 + 0x100 * i;
	}
	object(0x10000, C_HASHMAP, "OI", 0x20000, 3, 0);
	dump_objects(&d, 0x20000, C_NODES, table, 64);
	object(0x60000, C_LIST, "OI", 0x61000, 1, 0);
	dump_objects(&d, 0x61000, C_OBJECTS, room, 100);
	dump_root(&d, 0x01, 0x60000, 0, 0);
	end();
	read_well(&s);
	assert_int_equal(s.owners.maps.n, 1);
	const struct owners_map *m = &s.owners.maps.v[0];
	assert_string_equal(m->type, "java.util.HashMap");
	assert_int_equal(m->entries, 3);
	assert_int_equal(m->capacity, 64);
	assert_int_equal(m->bytes, MAP + 16 + 64 * 4 + 3 * NODE);
	assert_int_equal(m->recoverable, 60 * 4);
	assert_int_equal(s.owners.waste.n, 1);
	assert_string_equal(s.owners.waste.v[0].rule, "list-capacity");
	assert_int_equal(s.owners.waste.v[0].bytes, 416 - 24);
}

static void entries_of_a_map_are_a_part_of_its_table(void **state)
{
	AUTO(snapshot) struct snapshot s;
	const uint64_t table[] = { 0x40000 };
	begin(8, 0x10000, 0, 0);
	object(0x10000, C_HASHMAP, "OI", 0x20000, 1, 0);
	dump_objects(&d, 0x20000, C_NODES, table, 1);
	object(0x40000, C_NODE, "OOO", 0x50000, 0x50100, 0);
	object(0x50000, C_STRING, "OB", 0, 0, 0);
	object(0x50100, C_SESSION, "OO", 0, 0x60000, 0);
	dump_bytes(&d, 0x60000, NULL, 1000);
	end();
	read_well(&s);
	const struct owners_path *p =
		path(&s, "Leak.CACHE (static) -> java.util.HashMap -> java.util.HashMap$Node[] -> "
			 "Leak$Session -> byte[]");
	assert_non_null(p);
	assert_string_equal(s.owners.steps.v[p->step_at + 2].field, "value");
}

static void the_shortest_ways_to_a_type_are_told_where_many_lead_there(void **state)
{
	AUTO(snapshot) struct snapshot s;
	begin(8, 0x10000, 0, 0);
	object(0x10000, C_SOFT, "O", 0x20000, 0, 0);
	object(0x20000, C_SESSION, "OO", 0, 0x30000, 0);
	dump_bytes(&d, 0x30000, NULL, 1000);
	dump_root(&d, 0x01, 0x20000, 0, 0);
	end();
	const struct jvm_owners_options opt = { .type = "Leak$Session" };
	AUTO(err) struct err *err = read_with(&opt, &s);
	assert_null(err);
	const struct owners_path *p = path(&s, "JNI global references -> Leak$Session");
	assert_non_null(p);
	assert_int_equal(p->retained, SESSION + KILO);
	assert_int_equal(p->objects, 1);
	assert_true(p->root < s.owners.roots.n); /* retains nothing by itself */
	AUTO(snapshot) struct snapshot all;
	read_well(&all);
	assert_non_null(path(&all, "(several roots) -> Leak$Session -> byte[]"));
}

/* ---- what is wrong ---- */

static void what_comes_twice_counts_once(void **state)
{
	AUTO(snapshot) struct snapshot s;
	begin(8, 0x10000, 0, 0);
	object(0x10000, C_SESSION, "OO", 0x999000, 0x20000, 0);
	dump_bytes(&d, 0x20000, NULL, 1000);
	object(0x10000, C_SESSION, "OO", 0, 0, 0);
	dump_bytes(&d, 0x20000, NULL, 7);
	dump_bytes(&d, C_LEAK, NULL, 7); /* the identifier of a class */
	end();
	read_well(&s);
	assert_int_equal(root(&s, "Leak.CACHE")->retained, SESSION + KILO);
	assert_true(s.owners.inconsistencies >= 2);
	assert_true(s.notes.n > 0);
}

static void an_object_shorter_than_its_fields_is_counted_not_read(void **state)
{
	AUTO(snapshot) struct snapshot s;
	begin(8, 0x10000, 0, 0);
	object(0x10000, C_SESSION, "O", 0x20000, 0, 0);
	dump_bytes(&d, 0x20000, NULL, 10);
	end();
	read_well(&s);
	assert_int_equal(s.owners.inconsistencies, 1);
	assert_int_equal(root(&s, "Leak.CACHE")->retained_objects, 2);
}

static void every_cut_is_an_error_with_the_name(void **state)
{
	sessions(8);
	const size_t n = d.out.len;
	for (size_t cut = 0; cut < n; cut += cut + 200 < n ? 13 : 1) {
		AUTO(snapshot) struct snapshot s;
		d.out.len = cut;
		AUTO(err) struct err *err = read_with(&(struct jvm_owners_options){ 0 }, &s);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_non_null(strstr(err_text(err), "x.hprof: "));
		assert_false(s.parts & SNAPSHOT_OWNERS);
	}
	d.out.len = n;
}

static void an_array_of_billions_in_a_small_file_is_told(void **state)
{
	AUTO(snapshot) struct snapshot s;
	begin(8, 0x10000, 0, 0);
	dump_be(&d, 0x23, 1);
	dump_id(&d, 0x10000);
	dump_be(&d, 1, 4);
	dump_be(&d, 0x7fffffff, 4);
	dump_be(&d, DUMP_BYTE, 1);
	end();
	AUTO(err) struct err *err = read_with(&(struct jvm_owners_options){ 0 }, &s);
	assert_int_equal(err_code(err), ERR_FORMAT);
}

static void memory_has_a_bound(void **state)
{
	AUTO(snapshot) struct snapshot s;
	sessions(8);
	const struct jvm_owners_options opt = { .memory = 1000 };
	AUTO(err) struct err *err = read_with(&opt, &s);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_LIMIT);
	assert_non_null(strstr(err_text(err), "1000 B may be used"));
}

static int setup(void **state)
{
	strbuf_init(&d.out);
	return 0;
}

static int teardown(void **state)
{
	strbuf_deinit(&d.out);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_static_field_holds_what_hangs_on_it),
		cmocka_unit_test(weak_references_hold_nothing_and_soft_ones_do),
		cmocka_unit_test(what_waits_for_its_finalizer_is_held_by_that),
		cmocka_unit_test(threads_have_names_and_places),
		cmocka_unit_test(threads_of_one_name_and_place_are_one_root),
		cmocka_unit_test(a_class_that_may_be_unloaded_is_an_object_with_its_statics),
		cmocka_unit_test(a_class_of_the_application_loader_is_a_root),
		cmocka_unit_test(containers_tell_what_they_do_not_use),
		cmocka_unit_test(entries_of_a_map_are_a_part_of_its_table),
		cmocka_unit_test(the_shortest_ways_to_a_type_are_told_where_many_lead_there),
		cmocka_unit_test(what_comes_twice_counts_once),
		cmocka_unit_test(an_object_shorter_than_its_fields_is_counted_not_read),
		cmocka_unit_test(every_cut_is_an_error_with_the_name),
		cmocka_unit_test(an_array_of_billions_in_a_small_file_is_told),
		cmocka_unit_test(memory_has_a_bound),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
