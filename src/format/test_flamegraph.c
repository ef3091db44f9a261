/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "format/flamegraph.h"

/* What stands between the script tags of the data. */
static char *data_of(const struct flamegraph *f)
{
	static const char start[] = "<script type=\"application/json\" id=\"data\">";
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	flamegraph_put(f, &out);
	const char *from = strstr(out.buf, start);
	assert_non_null(from);
	from += sizeof(start) - 1;
	const char *to = strstr(from, "</script>");
	assert_non_null(to);
	return xstrndup(from, (size_t)(to - from));
}

static void has(const char *data, const char *part)
{
	if (!strstr(data, part))
		fail_msg("%s is not in %s", part, data);
}

/* A sample with this stack, leaf first. */
static void add(struct profile *p, const char *const *names, int64_t now, int64_t before)
{
	uint32_t frames[8], n = 0;
	for (; names[n]; n++)
		frames[n] = stacks_frame(&p->stacks,
					 &(struct frame){ .function = names[n], .file = "/src/a.go", .addr = n });
	int64_t *values = profile_sample_add(p, stacks_add(&p->stacks, frames, n));
	values[0] = now;
	values[1] = before;
}

static void make(struct profile *p)
{
	profile_init(p);
	profile_type_add(p, "inuse_space", "bytes");
	profile_type_add(p, "base", "bytes");
	add(p, (const char *const[]){ "main.small", "main.main", NULL }, 10, 5);
	add(p, (const char *const[]){ "main.large", "main.main", NULL }, 100, 7);
	add(p, (const char *const[]){ "main.main", NULL }, 3, 0);
	add(p, (const char *const[]){ "main.large", "main.main", NULL }, 1, 0);
	add(p, (const char *const[]){ "gone", NULL }, 0, 50);
	add(p, (const char *const[]){ "never", NULL }, 0, 0);
}

static void frames_are_drawn_from_the_root_the_largest_first(void **state)
{
	struct profile p;
	make(&p);
	AUTO_FREE char *data = data_of(&(struct flamegraph){ "title", NULL, &p, 0, 1, NULL, NULL });
	profile_deinit(&p);
	has(data, "\"title\":\"title\",\"subtitle\":null,\"type\":\"inuse_space\",\"unit\":\"bytes\",\"cut\":0,");
	has(data, "\"names\":[\"all\",\"main.main\",\"main.large\",\"gone\",\"main.small\"]");
	has(data, "\"files\":[\"\",\"/src/a.go\"],\"file\":[0,1,1,1,1]");
	has(data, "\"depth\":[0,1,2,2,1]");
	has(data, "\"name\":[0,1,2,4,3]");
	has(data, "\"self\":[0,3,101,10,0]");
	has(data, "\"base\":[0,0,7,5,50]");
}

static const char *color_of(const char *function)
{
	return strcmp(function, "main.main") == 0 ? "#123456" : NULL;
}

static const char *about_of(const char *function)
{
	return strcmp(function, "main.large") == 0 ? "it is large" : NULL;
}

static void without_a_base_there_is_none(void **state)
{
	struct profile p;
	make(&p);
	AUTO_FREE char *data = data_of(&(struct flamegraph){ "t", "s", &p, 0, -1, color_of, about_of });
	profile_deinit(&p);
	assert_null(strstr(data, "\"base\""));
	assert_null(strstr(data, "gone"));
	has(data, "\"colors\":[[1,\"#123456\"]],\"about\":[[2,\"it is large\"]]");
}

static void hostile_names_stay_data(void **state)
{
	struct profile p;
	profile_init(&p);
	profile_type_add(&p, "</script>", "<b>");
	profile_type_add(&p, "", "");
	add(&p, (const char *const[]){ "</script><script>alert(1)</script>", "<!--", "\xff\xfe\n\x1b[0m", NULL }, 1, 0);
	AUTO_FREE char *data = data_of(&(struct flamegraph){ "</title>", "&lt;", &p, 0, -1, NULL, NULL });
	profile_deinit(&p);
	assert_null(strpbrk(data, "<>&\n\x1b\xff"));
	has(data, "\\u003c/script\\u003e\\u003cscript\\u003ealert(1)");
	assert_int_equal(data[strlen(data) - 1], '}'); /* nothing ended the element early */
}

static void an_empty_profile_is_a_page_too(void **state)
{
	struct profile p;
	profile_init(&p);
	profile_type_add(&p, "space", "bytes");
	AUTO_FREE char *data = data_of(&(struct flamegraph){ "t", NULL, &p, 0, -1, NULL, NULL });
	profile_deinit(&p);
	has(data, "\"depth\":[0],\"name\":[0],\"self\":[0]}");
}

/* As deep as stacks can be, and more nodes than a page may have: what does not fit is cut, no value is lost. */
static void what_is_too_much_is_cut_but_counted(void **state)
{
	enum { STACKS = 600 };
	static uint32_t frames[STACK_FRAMES_MAX];
	struct profile p;
	profile_init(&p);
	profile_type_add(&p, "space", "bytes");
	for (uint32_t i = 0; i < STACKS; i++) {
		AUTO_FREE char *own = xasprintf("own%u", i);
		uint32_t same = stacks_frame(&p.stacks, &(struct frame){ .function = "same" });
		uint32_t root = stacks_frame(&p.stacks, &(struct frame){ .function = own });
		for (uint32_t k = 0; k < STACK_FRAMES_MAX; k++)
			frames[k] = k == STACK_FRAMES_MAX - 1 ? root : same;
		profile_sample_add(&p, stacks_add(&p.stacks, frames, STACK_FRAMES_MAX))[0] = 1000;
	}
	AUTO_FREE char *data = data_of(&(struct flamegraph){ "t", NULL, &p, 0, -1, NULL, NULL });
	profile_deinit(&p);
	has(data, "\"cut\":89,");
	long long sum = 0;
	char *at = strstr(data, "\"self\":[");
	for (at += 7; *at != ']';)
		sum += strtoll(at + 1, &at, 10);
	assert_int_equal(sum, STACKS * 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_are_drawn_from_the_root_the_largest_first),
		cmocka_unit_test(without_a_base_there_is_none),
		cmocka_unit_test(hostile_names_stay_data),
		cmocka_unit_test(an_empty_profile_is_a_page_too),
		cmocka_unit_test(what_is_too_much_is_cut_but_counted),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
