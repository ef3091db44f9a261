/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "format/parts.h"

static void times_are_rfc_3339(void **state)
{
	static const struct {
		int64_t ns;
		const char *text;
	} rows[] = {
		{ 0, "1970-01-01T00:00:00.000Z" },
		{ 1763719023123456789, "2025-11-21T09:57:03.123Z" },
		{ -1, "1969-12-31T23:59:59.999Z" },
		{ INT64_MAX, "2262-04-11T23:47:16.854Z" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char buf[PARTS_TIME_LEN];
		assert_string_equal(parts_time(rows[i].ns, buf), rows[i].text);
	}
}

static void packages_are_told_from_functions(void **state)
{
	static const struct {
		enum mem_class c;
		const char *owner, *package;
	} rows[] = {
		{ CLASS_GO_HEAP_LIVE, "main.(*Store).Login", "main" },
		{ CLASS_GO_HEAP_LIVE, "net/http.Header.Clone", "net/http" },
		{ CLASS_GO_HEAP_LIVE, "example.com/a/b.F[go.shape.struct { X example.com/c.T }]", "example.com/a/b" },
		{ CLASS_GO_HEAP_LIVE, "gopkg.in/yaml%2ev2.Unmarshal", "gopkg.in/yaml%2ev2" },
		{ CLASS_FILE_TEXT, "net/http", "" },
		{ CLASS_FILE_TEXT, "example.com/acme/leaky", "" },
		{ CLASS_FILE_TEXT, "runtime", "" },
		{ CLASS_FILE_TEXT, "libc.so.6", "" },
		{ CLASS_FILE_TEXT, "libssl.so", "" },
		{ CLASS_FILE_TEXT, "(not symbolized)", "" },
		{ CLASS_FILE_TEXT, "[vdso]", "" },
		{ CLASS_FILE_TEXT, "read-only data", "" },
		{ CLASS_FILE_MAPPED, "index.db", "" },
		{ CLASS_C_STACK, "thread 12", "" },
		{ CLASS_GO_HEAP_LIVE, "", "" },
		{ CLASS_GO_HEAP_LIVE, ".x", "" },
		{ CLASS_GO_HEAP_LIVE, "x.", "" },
		{ CLASS_GO_HEAP_LIVE, "/a.b", "" },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		size_t n = parts_package(rows[i].c, rows[i].owner);
		if (n != strlen(rows[i].package) || strncmp(rows[i].owner, rows[i].package, n) != 0)
			fail_msg("%s: package of %zu bytes, not '%s'", rows[i].owner, n, rows[i].package);
	}
}

static void classes_that_apply_stay_and_the_largest_comes_first(void **state)
{
	struct account a;
	enum mem_class list[CLASS_MAX_];
	account_init(&a);
	assert_int_equal(parts_classes(&a, list), 4); /* files, anonymous memory, unexplained */
	a.classes[CLASS_SHM].resident = 5;
	a.classes[CLASS_KERNEL].swap = 1;
	assert_int_equal(parts_classes(&a, list), 6);
	assert_int_equal(list[0], CLASS_SHM);
	a.go.is_go = true;
	assert_int_equal(parts_classes(&a, list), 7); /* go.data */
	a.go.layout_known = true;
	assert_int_equal(parts_classes(&a, list), 18);
	account_deinit(&a);
}

static void families_are_the_first_levels(void **state)
{
	assert_int_equal(parts_family(CLASS_GO_HEAP_LIVE), strlen("go.heap"));
	assert_int_equal(parts_family(CLASS_GO_DATA), strlen("go"));
	assert_int_equal(parts_family(CLASS_C_HEAP_INUSE), strlen("c"));
	assert_int_equal(parts_family(CLASS_SHM), strlen("shm"));
}

static void permissions(void **state)
{
	char buf[PARTS_PERMS_LEN];
	assert_string_equal(parts_perms(VMA_READ | VMA_WRITE, buf), "rw-p");
	assert_string_equal(parts_perms(VMA_EXEC | VMA_SHARED, buf), "--xs");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(times_are_rfc_3339),
		cmocka_unit_test(packages_are_told_from_functions),
		cmocka_unit_test(classes_that_apply_stay_and_the_largest_comes_first),
		cmocka_unit_test(families_are_the_first_levels),
		cmocka_unit_test(permissions),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
