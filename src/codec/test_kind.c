/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "codec/kind.h"

static void files_are_told_by_their_first_bytes(void **state)
{
	static const struct {
		const char *head;
		enum codec_kind kind;
	} cases[] = {
		{ "ullage-snapshot 1\n", CODEC_SNAPSHOT },
		{ "go1.7 heap dump\n\6", CODEC_HEAPDUMP },
		{ "JAVA PROFILE 1.0.2", CODEC_HPROF },
		{ "\177ELF\2\1\1", CODEC_ELF },
		{ "goroutine profile: total 12\n1 @ 0x1", CODEC_GOROUTINES },
		{ "goroutine 1 [running]:\nmain.main()\n", CODEC_GOROUTINES },
		{ "panic: oh\n\ngoroutine 17 gp=0xc000 m=0 [running]:\n", CODEC_GOROUTINES },
		{ "SIGQUIT: quit\nPC=0x1\n\ngoroutine 0 [idle]:\n", CODEC_GOROUTINES },
		{ "\n\4\10\1\20\2", CODEC_PPROF },
		{ "Z\4\10\1\20\2`\1\n\4\10\1\20\2\"\20\10\1", CODEC_PPROF }, /* Go begins with the period */
		{ "{\"classes\": []}", CODEC_UNKNOWN },
		{ "the goroutine 5 is no header\n", CODEC_UNKNOWN },
		{ "goroutine x [running]", CODEC_UNKNOWN },
		{ "", CODEC_UNKNOWN },
		{ "plain text\n", CODEC_UNKNOWN },
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		assert_int_equal(codec_kind(cases[i].head, strlen(cases[i].head)), cases[i].kind);
	for (int k = 0; k < CODEC_KIND_MAX_; k++)
		assert_non_null(codec_kind_names[k]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_are_told_by_their_first_bytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
