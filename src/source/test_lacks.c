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
#include <sys/stat.h>

#include "base/strbuf.h"
#include "source/lacks.h"

/* A directory with one Go file, pkg/file.go. */
struct scene {
	char root[32];
	char *path;
	struct source *source;
	struct arena arena;
	struct source_lack_vec lacks;
};

static void write_text(const char *path, const char *text, size_t len)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_int_equal(fwrite(text, 1, len, f), len);
	fclose(f);
}

static void scene_text(struct scene *sc, const char *text, size_t len)
{
	*sc = (struct scene){ .root = "/tmp/ullage-source-XXXXXX" };
	arena_init(&sc->arena);
	assert_non_null(mkdtemp(sc->root));
	AUTO_FREE char *dir = xasprintf("%s/pkg", sc->root);
	mkdir(dir, 0755);
	sc->path = xasprintf("%s/file.go", dir);
	write_text(sc->path, text, len);
	struct err *err = source_open(sc->root, &sc->source);
	assert_null(err);
}

/* Statements in `func run(ctx context.Context, ch chan int) error`, from line 10 on, off the margin. */
static void scene_init(struct scene *sc, const char *statements)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_puts(&text, "package pkg\n\nimport (\n\t\"context\"\n\t\"os\"\n\t\"time\"\n)\n\n"
			   "func (t *T) run(ctx context.Context, ch chan int) error {\n\t");
	for (const char *s = statements; *s; s++)
		strbuf_puts(&text, *s == '\n' ? "\n\t" : (char[]){ *s, 0 });
	strbuf_puts(&text, "\n\treturn nil\n}\n\nfunc after() {\n\tt.mu.Lock()\n}\n");
	scene_text(sc, text.buf, text.len);
}

static void scene_deinit(struct scene *sc)
{
	source_close(sc->source);
	vec_deinit(&sc->lacks);
	arena_deinit(&sc->arena);
	AUTO_FREE char *dir = xasprintf("%s/pkg", sc->root);
	unlink(sc->path);
	free(sc->path);
	rmdir(dir);
	rmdir(sc->root);
}

/* "rule rule" of a line, in the order found. */
static const char *look(struct scene *sc, uint32_t line, bool creation)
{
	struct source_place place = { "example.com/x/pkg.(*T).run", "example.com/x/pkg/file.go", line, creation };
	sc->lacks.n = 0;
	if (!source_lacks(sc->source, &place, &sc->arena, &sc->lacks))
		return "not found";
	AUTO(strbuf) struct strbuf rules;
	strbuf_init(&rules);
	for (size_t i = 0; i < sc->lacks.n; i++)
		strbuf_printf(&rules, "%s%s", i ? " " : "", sc->lacks.v[i].rule + strlen("source:"));
	return arena_strdup(&sc->arena, rules.buf);
}

enum { FIRST = 10 };

struct example {
	const char *statements;
	uint32_t line; /* from 0 */
	bool creation;
	const char *rules;
};

static const struct example examples[] = {
	/* select */
	{ "select {\ncase <-ch:\ncase ch <- 1:\n}", 0, false, "no-default no-done" },
	{ "select {\ncase <-ch:\n}", 1, false, "no-default no-done" },
	{ "select {\ncase <-ch:\ndefault:\n}", 0, false, "" },
	{ "select {\ncase <-ch:\ncase <-ctx.Done():\n}", 0, false, "" },
	{ "select {\ncase v := <-ch:\n_ = v\ncase <-t.quit:\n}", 0, false, "" },
	{ "select {\ncase <-ch:\ncase <-time.After(time.Second):\n}", 0, false, "" },
	{ "select {\ncase <-ch:\ncase <-tick.C:\n}", 0, false, "" },
	{ "select {}", 0, false, "no-default no-done" },
	/* a channel of its own */
	{ "<-ch", 0, false, "no-done" },
	{ "v := <-ch\n_ = v", 0, false, "no-done" },
	{ "ch <- 1", 0, false, "no-done" },
	{ "<-ctx.Done()", 0, false, "" },
	{ "x()\n<-ch", 0, false, "" },
	{ "select {\ncase <-ctx.Done():\n<-ch\n}", 2, false, "no-done" },
	/* locks */
	{ "t.mu.Lock()\nx()\nt.mu.Unlock()", 1, false, "no-defer" },
	{ "t.mu.Lock()\ndefer t.mu.Unlock()\nx()", 1, false, "" },
	{ "t.mu.RLock()\ndefer t.mu.Unlock()\nx()", 1, false, "no-defer" },
	{ "t.mu.Lock()\ndefer func() {\nx()\nt.mu.Unlock()\n}()", 0, false, "" },
	{ "t.mu.Lock()\ndefer t.other.Unlock()", 0, false, "no-defer" },
	{ "f := func() {\nt.mu.Lock()\n}\nx(f)", 3, false, "" }, /* in another function */
	/* what is to be closed */
	{ "f, err := os.Open(\"x\")\nif err != nil {\nreturn err\n}\nf.Read(nil)", 4, false, "no-close" },
	{ "f, err := os.Open(\"x\")\nif err != nil {\nreturn err\n}\ndefer f.Close()", 4, false, "" },
	{ "f, err := os.Open(\"x\")\nif err != nil {\nreturn err\n}\nf.Close()", 4, false, "no-defer" },
	{ "f, err := os.Open(\"x\")\nt.f = f", 1, false, "" },
	{ "f, err := os.Open(\"x\")\nuse(f)", 1, false, "" },
	{ "t.f, err = os.Open(\"x\")", 0, false, "" },
	{ "var f, err = os.Open(\"x\")\nf.Read(nil)", 1, false, "no-close" },
	{ "_, err := http.Get(\"x\")", 0, false, "no-close" },
	{ "r, err := http.Get(\"x\")\nio.ReadAll(r.Body)", 1, false, "no-close" },
	{ "r, err := http.Get(\"x\")\ndefer r.Body.Close()\nio.ReadAll(r.Body)", 1, false, "" },
	{ "r, err := client.Do(req)\nio.ReadAll(r.Body)", 1, false, "no-close" },
	{ "v, err := cache.Get(\"x\")\nv.Print()", 1, false, "" },
	{ "c, err := libvirt.NewConnect(\"x\")\nc.List()", 1, false, "no-close" },
	{ "c, err := libvirt.NewConnect(\"x\")\ndefer c.Close()\nc.List()", 1, false, "" },
	{ "return t.server.Query(ctx)", 0, false, "" },
	/* what is to be stopped */
	{ "k := time.NewTicker(1)\nfor range k.C {\n}", 1, false, "no-stop" },
	{ "k := time.NewTicker(1)\ndefer k.Stop()\nfor range k.C {\n}", 2, false, "" },
	{ "k := time.NewTicker(1)\nfor range k.C {\nk.Stop()\n}", 1, false, "" },
	{ "t.k = time.NewTicker(1)", 0, false, "" },
	{ "for range time.NewTicker(1).C {\n}", 0, false, "no-stop" },
	{ "time.AfterFunc(1, x)", 0, false, "no-stop" },
	/* go */
	{ "go func() {\nch <- 1\n}()", 0, true, "no-context" },
	{ "go func() {\nwork(ctx)\n}()", 0, true, "" },
	{ "go func(c context.Context) {\nwork(c)\n}(ctx)", 0, true, "" },
	{ "go func() {\n<-t.closing\n}()", 0, true, "" },
	{ "go work(1)", 0, true, "" },
	{ "go func() {\nch <- 1\n}()", 1, false, "no-done" },
};

static void what_the_code_lacks(void **state)
{
	for (size_t i = 0; i < sizeof(examples) / sizeof(examples[0]); i++) {
		struct scene sc;
		scene_init(&sc, examples[i].statements);
		const char *rules = look(&sc, FIRST + examples[i].line, examples[i].creation);
		if (strcmp(rules, examples[i].rules) != 0)
			fail_msg("%s\nlacks '%s', not '%s'", examples[i].statements, rules, examples[i].rules);
		scene_deinit(&sc);
	}
}

static void a_sentence_has_file_and_line(void **state)
{
	struct scene sc;
	scene_init(&sc, "t.mu.Lock()\n<-ch");
	look(&sc, FIRST + 1, false);
	assert_int_equal(sc.lacks.n, 2);
	assert_string_equal(sc.lacks.v[0].text,
			    "the receive from ch is outside of a select: no ctx.Done() can end it (pkg/file.go:11)");
	assert_string_equal(sc.lacks.v[1].text, "t.mu.Lock() has no deferred t.mu.Unlock(): a panic or an early return "
						"leaves it locked (pkg/file.go:10)");
	scene_deinit(&sc);
}

static void another_version_of_the_file_is_not_read(void **state)
{
	struct scene sc;
	scene_init(&sc, "<-ch");
	struct source_place other = { "example.com/x/pkg.(*T).stop", "example.com/x/pkg/file.go", FIRST, false };
	assert_false(source_lacks(sc.source, &other, &sc.arena, &sc.lacks));
	other.function = "example.com/x/pkg.(*T).run.func1";
	assert_true(source_lacks(sc.source, &other, &sc.arena, &sc.lacks));
	other.file = "example.com/x/other/else.go";
	assert_false(source_lacks(sc.source, &other, &sc.arena, &sc.lacks));
	other.file = "";
	assert_false(source_lacks(sc.source, &other, &sc.arena, &sc.lacks));
	assert_string_equal(look(&sc, 1, false), "not found");
	assert_string_equal(look(&sc, 0, false), "not found");
	assert_string_equal(look(&sc, UINT32_MAX, false), "not found");
	scene_deinit(&sc);
}

/* Broken, deep and binary code: no crash, and an end. */
static void code_that_is_none(void **state)
{
	enum { DEEP = 200000 };
	AUTO_FREE char *deep = xmalloc(DEEP + 64);
	int n = snprintf(deep, 64, "package pkg\nfunc run() {\n\tx = ");
	memset(deep + n, '(', DEEP);
	struct scene sc;
	scene_text(&sc, deep, (size_t)n + DEEP);
	look(&sc, 3, false);
	scene_deinit(&sc);
	static const char broken[] = "package pkg\nfunc (t *T) run() {\nselect {\ncase <-\n}\n\0\xff{{{ go func( defer";
	for (size_t len = 0; len < sizeof(broken); len++) {
		scene_text(&sc, broken, len);
		for (uint32_t line = 0; line < 8; line++) {
			look(&sc, line, false);
			look(&sc, line, true);
		}
		scene_deinit(&sc);
	}
}

static void a_directory_without_source(void **state)
{
	struct source *s = NULL;
	struct err *err = source_open("/proc/self/fd", &s);
	assert_int_equal(err_code(err), ERR_ARG);
	err_free(err);
	err = source_open("/does/not/exist", &s);
	assert_non_null(err);
	assert_null(s);
	err_free(err);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_the_code_lacks),
		cmocka_unit_test(a_sentence_has_file_and_line),
		cmocka_unit_test(another_version_of_the_file_is_not_read),
		cmocka_unit_test(code_that_is_none),
		cmocka_unit_test(a_directory_without_source),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
