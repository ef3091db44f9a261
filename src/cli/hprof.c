/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/hprof.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/num.h"
#include "jvm/owners.h"

enum { MEMINFO_MAX = 4096 };

/* MemAvailable of /proc/meminfo in bytes; 0 where it does not say. */
static uint64_t available(const char *procfs)
{
	static const char word[] = "MemAvailable:";
	char text[MEMINFO_MAX] = "";
	uint64_t kib = 0;
	AUTO_FREE char *path = xasprintf("%s/meminfo", procfs ? procfs : "/proc");
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	const char *at = n > 0 ? strstr(text, word) : NULL;
	if (!at)
		return 0;
	at += sizeof(word) - 1;
	at += strspn(at, " ");
	return num_dec(at, strspn(at, "0123456789"), &kib) ? kib << 10 : 0;
}

struct err *hprof_owners(struct infile *f, const struct owners_options *opt, const char *procfs, struct snapshot *ret)
{
	const struct jvm_owners_options want = {
		.memory = opt->memory ? opt->memory : available(procfs) / 2,
		.quick = opt->quick,
		.type = opt->type,
	};
	return jvm_owners_read(&f->stream, &want, ret);
}
