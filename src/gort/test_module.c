/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "fixture/image.h"
#include "gort/module.h"

static const unsigned char ret[] = { 0xc3 };
static const struct image_func funcs[] = {
	{ "main.main", ret, 1 },
	{ "runtime.schedinit", ret, 1 },
	{ "runtime.goexit", ret, 1 },
};

enum { FUNCS = sizeof(funcs) / sizeof(funcs[0]) };

static const struct image plain = { .magic = 0xf1, .funcs = funcs, .nfuncs = FUNCS, .version = "go1.22.12" };

static void build(struct fixture *f, const struct image *spec)
{
	fixture_init(f);
	image_build(f, spec);
}

static void assert_found(struct fixture *f, const struct vma *vmas, size_t n, struct gort_module *m)
{
	AUTO(err) struct err *err = gort_module_find(&f->src, vmas, n, m);
	if (err)
		fail_msg("%s", err_text(err));
}

static void assert_refused(struct fixture *f, enum err_code code)
{
	struct gort_module m;
	AUTO(err) struct err *err = gort_module_find(&f->src, image_vmas, IMAGE_VMAS, &m);
	assert_non_null(err);
	assert_int_equal(err_code(err), code);
}

static void tables_and_ranges_are_those_of_the_image(void **state)
{
	(void)state;
	for (unsigned magic = 0xf0; magic <= 0xf1; magic++) {
		struct fixture f;
		struct gort_module m;
		struct image spec = plain;
		spec.magic = magic;
		build(&f, &spec);
		assert_found(&f, image_vmas, IMAGE_VMAS, &m);
		assert_int_equal(m.magic, magic);
		assert_int_equal(m.pclntab, IMAGE_RODATA + IMAGE_HEADER);
		assert_int_equal(m.moduledata, IMAGE_DATA + IMAGE_MODULEDATA);
		assert_int_equal(m.nfunc, FUNCS);
		assert_int_equal(m.text.start, IMAGE_TEXT);
		assert_int_equal(m.text.end, image_func_addr(FUNCS));
		assert_int_equal(m.noptrdata.start, IMAGE_DATA + IMAGE_NOPTRDATA);
		assert_int_equal(m.data.start, IMAGE_DATA + IMAGE_PTRDATA);
		assert_int_equal(m.bss.start, IMAGE_BSS);
		assert_int_equal(m.noptrbss.end, IMAGE_BSS + IMAGE_BSS_LEN);
		assert_int_equal(m.cutab_len, m.filetab - m.cutab);
		assert_true(m.has_buildinfo);
		assert_string_equal(m.version, "go1.22.12");
		assert_int_equal(m.minor, 22);
		assert_int_equal(m.experiments.n, 0);
		assert_null(m.main_path);
		gort_module_deinit(&m);
		fixture_deinit(&f);
	}
}

static const char *setting(const struct gort_module *m, const char *name)
{
	for (size_t i = 0; i < m->settings.n; i++)
		if (!strcmp(m->settings.v[i].name, name))
			return m->settings.v[i].value;
	return NULL;
}

static void build_info_is_taken_apart(void **state)
{
	(void)state;
	struct fixture f;
	struct gort_module m;
	struct image spec = plain;
	spec.version = "go1.26.11-X:nogreenteagc";
	spec.modinfo = "path\texample.org/cmd/svc\n"
		       "mod\texample.org/svc\tv1.2.3\th1:sum=\n"
		       "dep\tgolang.org/x/sys\tv0.1.0\th1:other=\n"
		       "=>\t./local\t(devel)\t\n"
		       "build\t-buildmode=pie\n"
		       "build\t-ldflags=\"-s -w -X \\\"main.v=\\x31\\n\\q\\\"\"\n"
		       "build\t\"odd=key\"=`raw \\ value`\n"
		       "build\tCGO_ENABLED=\n"
		       "build\tDefaultGODEBUG=asynctimerchan=1,panicnil=1\n"
		       "build\tGOEXPERIMENT=nogreenteagc,boringcrypto\n"
		       "build\tvcs.revision=0123abcd\n"
		       "build\tnothing\n"
		       "odd line\n";
	build(&f, &spec);
	assert_found(&f, image_vmas, IMAGE_VMAS, &m);
	assert_string_equal(m.version, "go1.26.11");
	assert_int_equal(m.minor, 26);
	assert_string_equal(m.main_path, "example.org/cmd/svc");
	assert_string_equal(m.module_version, "v1.2.3");
	assert_string_equal(m.vcs_revision, "0123abcd");
	assert_int_equal(m.settings.n, 7);
	assert_string_equal(setting(&m, "-buildmode"), "pie");
	assert_string_equal(setting(&m, "-ldflags"), "-s -w -X \"main.v=1\n\\q\"");
	assert_string_equal(setting(&m, "odd=key"), "raw \\ value");
	assert_string_equal(setting(&m, "CGO_ENABLED"), "");
	assert_string_equal(setting(&m, "DefaultGODEBUG"), "asynctimerchan=1,panicnil=1");
	assert_int_equal(m.experiments.n, 2);
	assert_string_equal(m.experiments.v[0], "nogreenteagc");
	assert_string_equal(m.experiments.v[1], "boringcrypto");
	gort_module_deinit(&m);
	fixture_deinit(&f);
}

static void versions_are_read_in_all_their_forms(void **state)
{
	(void)state;
	static const struct {
		const char *text, *version;
		int minor;
		const char *experiments;
	} cases[] = {
		{ "go1.22.12", "go1.22.12", 22, "" },
		{ "go1.19", "go1.19", 19, "" },
		{ "go1.26rc1", "go1.26rc1", 26, "" },
		{ "go1.25.12 X:greenteagc", "go1.25.12", 25, "greenteagc" },
		{ "go1.26.11-X:nogreenteagc", "go1.26.11", 26, "nogreenteagc" },
		{ "go1.23.1 X:nocoverageredesign", "go1.23.1", 23, "nocoverageredesign" },
		{ "go1.22-20231128-RC02 cl/586117301 +6111acc8e6 X:fieldtrack,boringcrypto", "go1.22-20231128-RC02", 22,
		  "fieldtrack boringcrypto" },
		{ "devel go1.28-abcdef Mon Nov 17 10:00:00 2026 +0000", "devel go1.28-abcdef", 28, "" },
		{ "go1.27-custom X:a,,b,", "go1.27-custom", 27, "a b" },
		{ "devel +abcdef Mon", NULL, -1, "" },
		{ "go1.", NULL, -1, "" },
		{ "go1.x", NULL, -1, "" },
		{ "go1.12345", NULL, -1, "" },
		{ "go2.1", NULL, -1, "" },
		{ "X:greenteagc", NULL, -1, "" },
		{ "", NULL, -1, "" },
		{ "unknown", NULL, -1, "" },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct gort_module m = { .minor = 0 };
		char list[128] = "";
		arena_init(&m.arena);
		gort_version_parse(cases[i].text, &m);
		if (!cases[i].version)
			assert_null(m.version);
		else
			assert_string_equal(m.version, cases[i].version);
		assert_int_equal(m.minor, cases[i].minor);
		for (size_t k = 0; k < m.experiments.n; k++) {
			strncat(list, k ? " " : "", sizeof(list) - strlen(list) - 1);
			strncat(list, m.experiments.v[k], sizeof(list) - strlen(list) - 1);
		}
		assert_string_equal(list, cases[i].experiments);
		gort_module_deinit(&m);
	}
}

/* However it is cut, a blob gives its version or is refused. */
static void cut_build_info_is_no_danger(void **state)
{
	(void)state;
	static const unsigned char blob[] = "\xff Go buildinf:\x08\x02"
					    "................"
					    "\x06go1.21\x2d"
					    "0123456789abcdefpath\tcommand\n0123456789abcdef";
	for (size_t len = 0; len < sizeof(blob); len++) {
		struct gort_module m = { .minor = -1 };
		unsigned char *exact = xmalloc(len + 1);
		memcpy(exact, blob, len);
		arena_init(&m.arena);
		AUTO(err) struct err *err = gort_buildinfo_parse(exact, len, &m);
		assert_int_equal(err == NULL, len >= 39);
		assert_int_equal(m.minor, len >= 39 ? 21 : -1);
		if (len == sizeof(blob) - 1)
			assert_string_equal(m.main_path, "command");
		gort_module_deinit(&m);
		free(exact);
	}
}

static void blobs_that_lie_are_passed_over(void **state)
{
	(void)state;
	static const struct {
		uint64_t at, value;
		size_t size;
	} lies[] = {
		{ 15, 0, 1 },			   /* strings by pointer: before 1.18 */
		{ 32, 0x7f, 1 },		   /* a version longer than any */
		{ 32, UINT64_C(0xffffffffff), 5 }, /* a length without end */
		{ 33, 'x', 1 },			   /* no version */
		{ 34, 1, 1 },			   /* not printable */
	};
	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		struct fixture f;
		struct gort_module m;
		build(&f, &plain);
		fixture_put(&f, IMAGE_DATA + IMAGE_BLOB + lies[i].at, lies[i].value, lies[i].size);
		assert_found(&f, image_vmas, IMAGE_VMAS, &m);
		assert_false(m.has_buildinfo);
		assert_null(m.version);
		assert_int_equal(m.minor, -1);
		gort_module_deinit(&m);
		fixture_deinit(&f);
	}
}

static void put_string(struct fixture *f, uint64_t header, uint64_t text, const char *s)
{
	for (size_t i = 0; i < strlen(s); i++)
		fixture_put(f, text + i, (unsigned char)s[i], 1);
	fixture_put(f, header, text, 8);
	fixture_put(f, header + 8, strlen(s), 8);
}

/* cmp qword [rip + x], 0 at the start of schedinit, the second function. */
static void put_schedinit(struct fixture *f, uint64_t target)
{
	static const unsigned char cmp[] = { 0x48, 0x83, 0x3d };
	uint64_t at = image_func_addr(1);
	for (size_t i = 0; i < sizeof(cmp); i++)
		fixture_put(f, at + i, cmp[i], 1);
	fixture_put(f, at + 3, target - (at + 8), 4);
	fixture_put(f, at + 7, 0, 1);
}

static void without_build_info_the_code_names_the_version(void **state)
{
	(void)state;
	const uint64_t header = IMAGE_DATA + IMAGE_PTRDATA + 0x120, text = IMAGE_RODATA + IMAGE_TEXTS;
	struct fixture f;
	struct gort_module m;
	struct image spec = plain;
	spec.version = NULL;
	build(&f, &spec);
	put_string(&f, header, text, "go1.26.5");
	put_string(&f, header + 0x100, text + 0x100, "go1.27"); /* a string of the program */
	put_schedinit(&f, header + 8);
	assert_found(&f, image_vmas, IMAGE_VMAS, &m);
	assert_false(m.has_buildinfo);
	assert_string_equal(m.version, "go1.26.5");
	assert_int_equal(m.minor, 26);
	gort_module_deinit(&m);
	fixture_deinit(&f);
}

static void without_names_the_newest_version_is_taken(void **state)
{
	(void)state;
	static const struct image_func garbled[] = { { "a.b", ret, 1 }, { "c.d", ret, 1 } };
	const uint64_t header = IMAGE_DATA + IMAGE_PTRDATA, text = IMAGE_RODATA + IMAGE_TEXTS;
	struct fixture f;
	struct gort_module m;
	const struct image spec = { .magic = 0xf1, .funcs = garbled, .nfuncs = 2 };
	build(&f, &spec);
	put_string(&f, header + 0x10, text, "go1.17");
	put_string(&f, header + 0x100, text + 0x20, "go1.23.4");
	put_string(&f, header + 0x200, text + 0x40, "go1.9");
	put_string(&f, header + 0x300, text + 0x60, "go1.99 of a kind\n"); /* no version: it is not printable */
	fixture_put(&f, header + 0x400, 0xdead0000, 8);
	fixture_put(&f, header + 0x408, 8, 8);
	assert_found(&f, image_vmas, IMAGE_VMAS, &m);
	assert_string_equal(m.version, "go1.23.4");
	assert_int_equal(m.minor, 23);
	gort_module_deinit(&m);
	fixture_deinit(&f);
}

static void what_is_not_go_is_not_found(void **state)
{
	(void)state;
	struct fixture f;
	struct gort_module m;
	fixture_init(&f);
	assert_refused(&f, ERR_NOT_FOUND); /* nothing can be read */
	fixture_deinit(&f);
	build(&f, &plain);
	AUTO(err) struct err *err = gort_module_find(&f.src, image_vmas, 0, &m);
	assert_int_equal(err_code(err), ERR_NOT_FOUND);
	for (size_t i = 0; i < f.regions.n; i++)
		memset(f.regions.v[i].bytes, 0x41, f.regions.v[i].len);
	assert_refused(&f, ERR_NOT_FOUND);
	fixture_deinit(&f);
}

/* With any word of what is checked changed, the module is not believed. */
static void tables_that_disagree_are_corrupt(void **state)
{
	(void)state;
	for (unsigned word = 1; word < 32; word++) {
		struct fixture f;
		if (word == 19)
			continue; /* findfunctab is not used */
		build(&f, &plain);
		fixture_put(&f, IMAGE_DATA + IMAGE_MODULEDATA + word * 8, UINT64_C(0x7fffffffffff1234), 8);
		if (word == 21 || word == 25 || word == 27 || word == 29 || word == 31 || word == 23)
			fixture_put(&f, IMAGE_DATA + IMAGE_MODULEDATA + word * 8, 0, 8); /* an end before its start */
		assert_refused(&f, ERR_FORMAT);
		fixture_deinit(&f);
	}
	for (unsigned word = 0; word < 9; word++) {
		struct fixture f;
		if (word == 2 || word == 3)
			continue; /* nfiles, and textStart, which 1.26 leaves empty */
		build(&f, &plain);
		fixture_put(&f, IMAGE_RODATA + IMAGE_HEADER + word * 8, UINT64_C(0x123456789a), 8);
		struct gort_module m;
		AUTO(err) struct err *err = gort_module_find(&f.src, image_vmas, IMAGE_VMAS, &m);
		assert_non_null(err);
		fixture_deinit(&f);
	}
}

static void a_moduledata_across_two_reads_is_seen(void **state)
{
	(void)state;
	enum { LEN = 0x180000, CHUNK = 0x80000 };
	static const uint64_t base = UINT64_C(0x2000000);
	for (uint64_t at = base + CHUNK - 256; at <= base + CHUNK; at += 64) {
		struct fixture f;
		struct gort_module m;
		struct vma vmas[IMAGE_VMAS + 1];
		build(&f, &plain);
		fixture_region(&f, base, LEN);
		for (uint64_t i = 0; i < 32; i++) {
			uint64_t from = IMAGE_DATA + IMAGE_MODULEDATA + i * 8;
			fixture_put(&f, at + i * 8, memsrc_ptr(&f.src, from), 8);
			fixture_put(&f, from, 0, 8);
		}
		memcpy(vmas, image_vmas, sizeof(image_vmas));
		vmas[IMAGE_VMAS] = (struct vma){ .start = base, .end = base + LEN, .inode = 1, .flags = VMA_READ };
		assert_found(&f, vmas, IMAGE_VMAS + 1, &m);
		assert_int_equal(m.moduledata, at);
		assert_string_equal(m.version, "go1.22.12");
		gort_module_deinit(&m);
		fixture_deinit(&f);
	}
}

/* An unpacked executable has no file behind it. */
static void an_image_in_anonymous_memory_is_found(void **state)
{
	(void)state;
	struct fixture f;
	struct gort_module m;
	struct vma vmas[IMAGE_VMAS];
	build(&f, &plain);
	memcpy(vmas, image_vmas, sizeof(vmas));
	for (size_t i = 0; i < IMAGE_VMAS; i++)
		vmas[i].inode = 0;
	assert_found(&f, vmas, IMAGE_VMAS, &m);
	assert_string_equal(m.version, "go1.22.12");
	gort_module_deinit(&m);
	fixture_deinit(&f);
}

static void any_read_may_fail(void **state)
{
	(void)state;
	for (unsigned fail = 1; fail < 64; fail++) {
		struct fixture f;
		struct gort_module m;
		build(&f, &plain);
		f.fail_at = fail;
		AUTO(err) struct err *err = gort_module_find(&f.src, image_vmas, IMAGE_VMAS, &m);
		if (!err)
			gort_module_deinit(&m);
		fixture_deinit(&f);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tables_and_ranges_are_those_of_the_image),
		cmocka_unit_test(build_info_is_taken_apart),
		cmocka_unit_test(versions_are_read_in_all_their_forms),
		cmocka_unit_test(cut_build_info_is_no_danger),
		cmocka_unit_test(blobs_that_lie_are_passed_over),
		cmocka_unit_test(without_build_info_the_code_names_the_version),
		cmocka_unit_test(without_names_the_newest_version_is_taken),
		cmocka_unit_test(what_is_not_go_is_not_found),
		cmocka_unit_test(tables_that_disagree_are_corrupt),
		cmocka_unit_test(a_moduledata_across_two_reads_is_seen),
		cmocka_unit_test(an_image_in_anonymous_memory_is_found),
		cmocka_unit_test(any_read_may_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
