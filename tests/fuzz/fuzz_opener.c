/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "proc/opener.h"
#include "proc/process.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { HEAD = 16, MESSAGE_MAX = 8192 }; /* pid, length, start time: as proc/opener.c has them */

static uint64_t own_start(void)
{
	static uint64_t start;
	struct proc_process p;
	if (!start) {
		assert(!proc_process_open("/proc", getpid(), &p));
		start = p.start_ticks;
		proc_process_close(&p);
	}
	return start;
}

/* Whatever was asked for: what is given can be read only, and is none of what is never given. */
static void take_answer(int fd)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control;
	int32_t os = 0;
	struct iovec part = { &os, sizeof(os) };
	struct msghdr m = {
		.msg_iov = &part, .msg_iovlen = 1, .msg_control = control.buf, .msg_controllen = sizeof(control)
	};
	if (recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC) != sizeof(os) || !CMSG_FIRSTHDR(&m))
		return;
	char link[64], path[4096] = "";
	int given = -1;
	memcpy(&given, CMSG_DATA(CMSG_FIRSTHDR(&m)), sizeof(given));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", given);
	ssize_t n = readlink(link, path, sizeof(path) - 1);
	assert(os == 0 && n > 0 && (fcntl(given, F_GETFL) & O_ACCMODE) == O_RDONLY);
	assert(!strstr(path, "/environ") && !strstr(path, "/cmdline"));
	close(given);
}

/* The first byte says whether the rest is a whole message, or the name in one that is right otherwise. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	unsigned char message[MESSAGE_MAX] = { 0 };
	if (size < 1 || size - 1 > sizeof(message) - HEAD)
		return 0;
	size_t len = size - 1;
	if (data[0] & 1) {
		int32_t pid = getpid();
		uint32_t length = (uint32_t)len;
		uint64_t start = own_start();
		memcpy(message, &pid, 4);
		memcpy(message + 4, &length, 4);
		memcpy(message + 8, &start, 8);
		memcpy(message + HEAD, data + 1, len);
		len += HEAD;
	} else {
		memcpy(message, data + 1, len);
	}
	int ask[2], answer[2];
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, ask) != 0 || socketpair(AF_UNIX, SOCK_SEQPACKET, 0, answer) != 0)
		return 0;
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} control = { 0 };
	struct iovec part = { message, len };
	struct msghdr m = { .msg_iov = &part, .msg_iovlen = 1 };
	if (!(data[0] & 2)) {
		m.msg_control = control.buf;
		m.msg_controllen = sizeof(control.buf);
		CMSG_FIRSTHDR(&m)->cmsg_level = SOL_SOCKET;
		CMSG_FIRSTHDR(&m)->cmsg_type = SCM_RIGHTS;
		CMSG_FIRSTHDR(&m)->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&m)), &answer[1], sizeof(int));
	}
	(void)!sendmsg(ask[0], &m, MSG_DONTWAIT | MSG_NOSIGNAL);
	close(ask[0]);
	(void)proc_opener_serve(ask[1], "/proc");
	take_answer(answer[0]);
	close(ask[1]);
	close(answer[0]);
	close(answer[1]);
	return 0;
}
