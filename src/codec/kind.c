/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/kind.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#include "codec/wire.h"

const char *const codec_kind_names[CODEC_KIND_MAX_] = {
	[CODEC_UNKNOWN] = "a file of an unknown kind",
	[CODEC_SNAPSHOT] = "a snapshot",
	[CODEC_PPROF] = "a pprof profile",
	[CODEC_GOROUTINES] = "a goroutine dump",
	[CODEC_HEAPDUMP] = "a Go heap dump",
	[CODEC_HPROF] = "a JVM heap dump (HPROF)",
	[CODEC_ELF] = "an ELF file",
	[CODEC_CORE] = "an ELF core",
};

static const struct {
	const char *magic;
	enum codec_kind kind;
} magics[] = {
	{ CODEC_SNAPSHOT_MAGIC, CODEC_SNAPSHOT },
	{ "go1.7 heap dump\n", CODEC_HEAPDUMP },
	{ "JAVA PROFILE 1.0.", CODEC_HPROF },
	{ "\177ELF", CODEC_ELF },
	{ "goroutine profile: total ", CODEC_GOROUTINES },
	{ "goroutineleak profile: total ", CODEC_GOROUTINES },
};

/* "goroutine 12 [" or "goroutine 12 gp=" at the start of a line. */
static bool has_goroutine(const char *p, size_t len)
{
	static const char word[] = "goroutine ";
	const size_t n = sizeof(word) - 1;
	const char *end = p + len;
	while (p && (size_t)(end - p) > n) {
		if (memcmp(p, word, n) == 0) {
			const char *d = p + n;
			while (d < end && *d >= '0' && *d <= '9')
				d++;
			if (d > p + n && d + 1 < end && d[0] == ' ' && (d[1] == '[' || d[1] == 'g'))
				return true;
		}
		p = memchr(p, '\n', (size_t)(end - p));
		p = p ? p + 1 : NULL;
	}
	return false;
}

/* Types of the fields of profile.proto: numbers, and what has a length (comments are either). */
static bool profile_field(const struct wire_field *f)
{
	enum { MESSAGES = 0x287e, NUMBERS = 0xf780, FIELDS = 16 }; /* bit n: field n */
	unsigned allowed = f->type == WIRE_BYTES ? MESSAGES : f->type == WIRE_VARINT ? NUMBERS : 0;
	return f->number < FIELDS && allowed >> f->number & 1;
}

/* Writers begin with different fields: a profile is what has some of them and no others. */
static bool has_profile(const unsigned char *p, size_t len)
{
	enum { ENOUGH = 5 };
	struct cursor m;
	struct wire_field f;
	unsigned seen = 0;
	cursor_init(&m, p, len);
	while (seen < ENOUGH && wire_next(&m, &f)) {
		if (!profile_field(&f))
			return false;
		seen++;
	}
	return seen >= 2 || (seen && !m.bad);
}

static enum codec_kind elf_kind(const unsigned char *head, size_t len)
{
	return len >= EI_NIDENT + 2 && load_u16(head + EI_NIDENT) == ET_CORE ? CODEC_CORE : CODEC_ELF;
}

enum codec_kind codec_kind(const void *head, size_t len)
{
	for (size_t i = 0; i < sizeof(magics) / sizeof(magics[0]); i++) {
		size_t n = strlen(magics[i].magic);
		if (len >= n && memcmp(head, magics[i].magic, n) == 0)
			return magics[i].kind == CODEC_ELF ? elf_kind(head, len) : magics[i].kind;
	}
	if (has_goroutine(head, len))
		return CODEC_GOROUTINES;
	return has_profile(head, len) ? CODEC_PPROF : CODEC_UNKNOWN;
}
