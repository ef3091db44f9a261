/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/available.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/num.h"
#include "proc/opener.h"

enum { MEMINFO_MAX = 4096 };

uint64_t proc_available(const char *procfs)
{
	static const char word[] = "MemAvailable:";
	char text[MEMINFO_MAX] = "";
	uint64_t kib = 0;
	AUTO_FREE char *path = xasprintf("%s/meminfo", proc_opener_dir(procfs));
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : 0;
	const char *at = n > 0 ? strstr(text, word) : NULL;
	if (!at)
		return 0;
	at += sizeof(word) - 1;
	at += strspn(at, " ");
	return num_dec(at, strspn(at, "0123456789"), &kib) ? kib << 10 : 0;
}
