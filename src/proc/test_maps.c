/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/stat.h>

#include "proc/maps.h"
#include "proc/test_child.h"

enum { PAGE = 4096 };

struct scene {
	struct arena arena;
	struct vma_vec vmas;
};

static struct err *parse(struct scene *s, const char *text)
{
	*s = (struct scene){ 0 };
	arena_init(&s->arena);
	AUTO_CLOSE int fd = text_file(text);
	return proc_maps_parse(fd, &s->arena, &s->vmas);
}

static void done(struct scene *s)
{
	vec_deinit(&s->vmas);
	arena_deinit(&s->arena);
}

static void names_and_flags(void **state)
{
	static const struct {
		const char *line, *name;
		unsigned flags;
	} rows[] = {
		{ "1000-2000 r-xp 00001000 fe:00 42    /usr/bin/a", "/usr/bin/a", VMA_READ | VMA_EXEC },
		{ "1000-2000 rw-p 00000000 00:00 0", "", VMA_READ | VMA_WRITE },
		{ "1000-2000 rw-p 00000000 00:00 0 ", "", VMA_READ | VMA_WRITE },
		{ "1000-2000 ---p 00000000 00:00 0      [stack]", "[stack]", 0 },
		{ "1000-2000 rw-s 00000000 fe:00 42     /with  two spaces ", "/with  two spaces ",
		  VMA_READ | VMA_WRITE | VMA_SHARED },
		{ "1000-2000 r--p 00000000 fe:00 42     /gone (deleted)", "/gone", VMA_READ | VMA_DELETED },
		{ "1000-2000 r--p 00000000 fe:00 42     /a (deleted) (deleted)", "/a (deleted)",
		  VMA_READ | VMA_DELETED },
		{ "1000-2000 r--p 00000000 fe:00 42     /a (deleted)b", "/a (deleted)b", VMA_READ },
		{ "1000-2000 r--p 00000000 00:00 0      [anon:x (deleted)]", "[anon:x (deleted)]", VMA_READ },
		{ "1000-2000 r--p 00000000 fe:00 42     /new\\012line", "/new\nline", VMA_READ },
		{ "1000-2000 r--p 00000000 fe:00 42     /new\\012line\\012 (deleted)", "/new\nline\n",
		  VMA_READ | VMA_DELETED },
		{ "1000-2000 r--p 00000000 fe:00 42     /back\\slash\\01", "/back\\slash\\01", VMA_READ },
		{ "1000-2000 r--p 00000000 fe:00 42     /1000-2000 r--p 00000000 fe:00 42 /b",
		  "/1000-2000 r--p 00000000 fe:00 42 /b", VMA_READ },
		{ "1000-2000 rw-p 00000000 00:0f 7      /anon_hugepage (deleted)", "/anon_hugepage",
		  VMA_READ | VMA_WRITE | VMA_DELETED | VMA_HUGETLB },
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene s;
		ok(parse(&s, rows[i].line));
		assert_int_equal(s.vmas.n, 1);
		assert_string_equal(s.vmas.v[0].name, rows[i].name);
		assert_int_equal(s.vmas.v[0].flags, rows[i].flags);
		done(&s);
	}
}

static void numbers(void **state)
{
	struct scene s;
	ok(parse(&s, "00400000-00500000 r-xp 00012000 103:0a 18446744073709551615 /a\n"
		     "7fff00000000-7fff00001000 rw-p 00000000 00:00 0\n"
		     "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0 [vsyscall]\n"));
	assert_int_equal(s.vmas.n, 3);
	assert_int_equal(s.vmas.v[0].start, 0x400000);
	assert_int_equal(s.vmas.v[0].end, 0x500000);
	assert_int_equal(s.vmas.v[0].offset, 0x12000);
	assert_int_equal(s.vmas.v[0].dev_major, 0x103);
	assert_int_equal(s.vmas.v[0].dev_minor, 0x0a);
	assert_true(s.vmas.v[0].inode == UINT64_MAX);
	assert_true(s.vmas.v[2].end == UINT64_C(0xffffffffff601000));
	done(&s);
}

static void malformed_lines_are_named(void **state)
{
	static const char *const rows[] = {
		"",
		"x",
		"1000",
		"1000-2000",
		"1000-2000 ",
		"1000-2000 rw-p",
		"1000-2000 rw-px 0 0:0 0",
		"1000-2000 rw-p 0",
		"1000-2000 rw-p 0 00:00",
		"1000-2000 rw-p 0 00:00 ",
		"1000-2000 rw-p 0 00:00 x",
		"1000-2000 rw-p 0 00:00 5x",
		"1000-2000 rw-p 0 0000 5",
		"1000-2000 rw-p 0 100000000:00 5",
		"1000-2000 rw-p 0 00:00 99999999999999999999",
		"2000-1000 rw-p 0 00:00 0",
		"1000-1000 rw-p 0 00:00 0",
		"1000-1fff rw-p 0 00:00 0",
		"10000000000000000-20000000000000000 rw-p 0 00:00 0",
		" 1000-2000 rw-p 0 00:00 0",
		"-1000-2000 rw-p 0 00:00 0",
	};
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene s;
		AUTO_FREE char *text = xasprintf("1000-2000 rw-p 0 00:00 0\n%s\n", rows[i]);
		struct err *err = parse(&s, text);
		assert_non_null(err);
		assert_int_equal(err_code(err), ERR_FORMAT);
		assert_non_null(strstr(err_text(err), "line 2 "));
		err_free(err);
		done(&s);
	}
}

/* A mapping that grows while the file is read shows up with pages of the line before. */
static void overlaps_are_clipped(void **state)
{
	struct scene s;
	ok(parse(&s, "1000-3000 rw-p 00000000 00:00 0\n"
		     "2000-5000 rw-p 00010000 fe:00 9 /a\n"
		     "4000-5000 rw-p 00000000 00:00 0\n"
		     "1000-2000 rw-p 00000000 00:00 0\n"
		     "5000-6000 rw-p 00000000 00:00 0\n"));
	assert_int_equal(s.vmas.n, 3);
	assert_int_equal(s.vmas.v[1].start, 0x3000);
	assert_int_equal(s.vmas.v[1].end, 0x5000);
	assert_int_equal(s.vmas.v[1].offset, 0x11000);
	assert_int_equal(s.vmas.v[2].start, 0x5000);
	done(&s);
}

static void neighbours_share_their_name(void **state)
{
	struct scene s;
	ok(parse(&s, "1000-2000 r--p 0 fe:00 9 /lib\n2000-3000 r-xp 1000 fe:00 9 /lib\n3000-4000 rw-p 0 00:00 0\n"));
	assert_ptr_equal(s.vmas.v[0].name, s.vmas.v[1].name);
	assert_string_equal(s.vmas.v[2].name, "");
	done(&s);
}

static void a_path_as_long_as_they_come(void **state)
{
	struct scene s;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_puts(&text, "1000-2000 r--p 0 fe:00 9 /");
	for (int i = 0; i < 40000; i++)
		strbuf_puts(&text, "\\012");
	strbuf_puts(&text, "\n2000-3000 r--p 0 fe:00 9 /b\n");
	ok(parse(&s, text.buf));
	assert_int_equal(s.vmas.n, 2);
	assert_string_equal(s.vmas.v[1].name, "/b");
	done(&s);
}

struct layout {
	char *file, *huge;
	char path[64];
};

static void odd_file_body(void *layout, void *arg)
{
	struct layout *l = layout;
	const char *path = arg;
	AUTO_CLOSE int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (ftruncate(fd, 3 * PAGE) != 0)
		_exit(1);
	l->file = mmap(NULL, 3 * PAGE, PROT_READ, MAP_SHARED, fd, 0);
	AUTO_CLOSE int huge = memfd_create("huge", MFD_CLOEXEC | MFD_HUGETLB);
	l->huge = MAP_FAILED;
	if (huge >= 0)
		l->huge = mmap(NULL, 2 << 20, PROT_READ, MAP_SHARED | MAP_NORESERVE, huge, 0);
}

static void a_real_process(void **state)
{
	static const char path[] = "/tmp/ullage test\n\\ (deleted)";
	struct layout l = { 0 };
	struct proc_process p;
	struct scene s = { 0 };
	char *writable = xstrdup(path);
	arena_init(&s.arena);
	pid_t pid = child_start(odd_file_body, writable, &l, sizeof(l));
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(unlink(path), 0);
	ok(proc_process_open("/proc", pid, &p));
	ok(proc_maps_read(&p, &s.arena, &s.vmas));
	const struct vma *v = vma_find(&s.vmas, (uintptr_t)l.file);
	assert_non_null(v);
	assert_int_equal(vma_size(v), 3 * PAGE);
	assert_string_equal(v->name, path);
	assert_int_equal(v->flags, VMA_READ | VMA_SHARED | VMA_DELETED);
	assert_int_equal(v->inode, st.st_ino);
	if (l.huge != MAP_FAILED && geteuid() == 0) {
		v = vma_find(&s.vmas, (uintptr_t)l.huge);
		assert_non_null(v);
		assert_true(v->flags & VMA_HUGETLB);
	}
	for (size_t i = 1; i < s.vmas.n; i++)
		assert_true(s.vmas.v[i].start >= s.vmas.v[i - 1].end);
	done(&s);
	proc_process_close(&p);
	child_end(pid);
	free(writable);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_and_flags),
		cmocka_unit_test(numbers),
		cmocka_unit_test(malformed_lines_are_named),
		cmocka_unit_test(overlaps_are_clipped),
		cmocka_unit_test(neighbours_share_their_name),
		cmocka_unit_test(a_path_as_long_as_they_come),
		cmocka_unit_test(a_real_process),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
