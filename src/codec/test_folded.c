/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>

#include "codec/folded.h"

/* A sample with this stack, leaf first. */
static void add(struct profile *p, const char *const *names, int64_t a, int64_t b)
{
	uint32_t frames[8], n = 0;
	for (; names[n]; n++)
		frames[n] = stacks_frame(&p->stacks, &(struct frame){ .function = names[n],
								      .addr = p->samples.n + 1,
								      .line = (uint32_t)p->samples.n });
	int64_t *values = profile_sample_add(p, stacks_add(&p->stacks, frames, n));
	values[0] = a;
	values[1] = b;
}

static void check(size_t type, const char *want)
{
	struct profile p;
	profile_init(&p);
	profile_type_add(&p, "objects", "count");
	profile_type_add(&p, "space", "bytes");
	add(&p, (const char *const[]){ "leaf", "main.main", NULL }, 1, 10);
	add(&p, (const char *const[]){ "main.main", NULL }, 2, 20);
	add(&p, (const char *const[]){ "leaf", "main.main", NULL }, 3, 30); /* elsewhere in the same functions */
	add(&p, (const char *const[]){ "a;b c\n\x1b[31m", "", NULL }, 4, -5);
	add(&p, (const char *const[]){ "a:b c\x01\x02[31m", "?", NULL }, 1, -1);
	add(&p, (const char *const[]){ "nothing", NULL }, 0, 1);
	add(&p, (const char *const[]){ NULL }, 7, 0);
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	folded_write(&p, type, &out);
	profile_deinit(&p);
	assert_string_equal(out.buf, want);
}

static void equal_stacks_are_one_line(void **state)
{
	check(0, "? 7\n?;a:b c  [31m 5\nmain.main 2\nmain.main;leaf 4\n");
	check(1, "?;a:b c  [31m -6\nmain.main 20\nmain.main;leaf 40\nnothing 1\n");
}

static void an_empty_profile_is_no_line(void **state)
{
	struct profile p;
	profile_init(&p);
	profile_type_add(&p, "objects", "count");
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	folded_write(&p, 0, &out);
	profile_deinit(&p);
	assert_string_equal(out.buf, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equal_stacks_are_one_line),
		cmocka_unit_test(an_empty_profile_is_no_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
