/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/err.h"
#include "sym/dwarf.h"

enum { VARIABLES = 6, LEN = 4096 };

static const struct sym_dwarf_variable want[VARIABLES] = {
	{ 0x601000, 0x80, "*main.node", 22, SYM_DWARF_VALUE },
	{ 0x601008, 0x40, "main.node", 25, SYM_DWARF_POINTER }, /* *main.node has no descriptor */
	{ 0x601010, 0x40, "main.node", 25, SYM_DWARF_ELEMENTS },
	{ 0x601020, 0x40, "main.node", 25, SYM_DWARF_VALUE },  /* through two names */
	{ 0x601048, 0x80, "*main.node", 22, SYM_DWARF_VALUE }, /* fields of a struct without a descriptor */
	{ 0x601050, 0x40, "main.node", 25, SYM_DWARF_VALUE },
};

static int open_seed(const char *name)
{
	char path[LEN];
	snprintf(path, sizeof(path), "%s/tests/corpora/dwarf/seed/%s", getenv("ULLAGE_SOURCE"), name);
	return open(path, O_RDONLY | O_CLOEXEC);
}

static void variables_are_told_with_their_types(void **state)
{
	(void)state;
	static const char *const names[] = { "go-dwarf4", "go-dwarf5", "go-packed4", "go-packed5" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		int fd AUTO_CLOSE = open_seed(names[i]);
		struct sym_dwarf_variable_vec v = { 0 };
		struct arena arena;
		arena_init(&arena);
		assert_true(fd >= 0);
		assert_null(sym_dwarf_variables(fd, names[i], &arena, &v));
		assert_int_equal(v.n, VARIABLES);
		for (size_t k = 0; k < VARIABLES; k++) {
			assert_true(v.v[k].addr == want[k].addr);
			assert_true(v.v[k].type == want[k].type);
			assert_int_equal(v.v[k].kind, want[k].kind);
			assert_int_equal(v.v[k].how, want[k].how);
			assert_string_equal(v.v[k].name, want[k].name);
		}
		vec_deinit(&v);
		arena_deinit(&arena);
	}
}

/* Cut short anywhere, it gives what is there or an error. */
static void files_that_end_early_are_survived(void **state)
{
	(void)state;
	char bytes[LEN];
	int fd AUTO_CLOSE = open_seed("go-packed5"), part AUTO_CLOSE = memfd_create("part", MFD_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	assert_true(n > 0 && part >= 0);
	for (ssize_t len = 0; len < n; len += 7) {
		struct sym_dwarf_variable_vec v = { 0 };
		struct arena arena;
		arena_init(&arena);
		assert_int_equal(ftruncate(part, 0), 0);
		assert_int_equal(pwrite(part, bytes, (size_t)len, 0), len);
		err_free(sym_dwarf_variables(part, "part", &arena, &v));
		assert_true(v.n <= VARIABLES);
		vec_deinit(&v);
		arena_deinit(&arena);
	}
}

/* A packed section that says it is larger than all memory is not unpacked. */
static void what_would_not_fit_is_refused(void **state)
{
	(void)state;
	char bytes[LEN];
	int fd AUTO_CLOSE = open_seed("go-packed4"), huge AUTO_CLOSE = memfd_create("huge", MFD_CLOEXEC);
	ssize_t n = read(fd, bytes, sizeof(bytes));
	assert_true(n > 0 && huge >= 0);
	static const unsigned char head[] = { 1, 0, 0, 0, 0, 0, 0, 0 }; /* of a packed section: its kind */
	char *packed = memmem(bytes + 64, (size_t)n - 64, head, sizeof(head));
	assert_non_null(packed);
	memset(packed + 8, 0x7f, 7);
	assert_int_equal(write(huge, bytes, (size_t)n), n);
	struct sym_dwarf_variable_vec v = { 0 };
	struct arena arena;
	arena_init(&arena);
	struct err *err = sym_dwarf_variables(huge, "huge", &arena, &v);
	assert_non_null(err);
	assert_int_equal(err_code(err), ERR_LIMIT);
	err_free(err);
	arena_deinit(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(variables_are_told_with_their_types),
		cmocka_unit_test(files_that_end_early_are_survived),
		cmocka_unit_test(what_would_not_fit_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
