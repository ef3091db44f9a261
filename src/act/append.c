/* SPDX-License-Identifier: Apache-2.0 */
#include "act/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/strbuf.h"

static struct err *open_end(const char *path, int *ret, struct stat *st)
{
	*ret = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY, 0600);
	if (*ret < 0 && errno == ELOOP)
		return err_new(ERR_WRITE, "%s is a symbolic link", path);
	if (*ret < 0)
		return err_recode(err_os(errno, "opening %s", path), ERR_WRITE);
	if (fstat(*ret, st) != 0 || !S_ISREG(st->st_mode))
		return err_new(ERR_WRITE, "%s is not a regular file", path);
	return NULL;
}

struct err *append_rehearse(const char *path)
{
	AUTO_CLOSE int fd = -1;
	struct stat st, now;
	bool made = lstat(path, &st) != 0 && errno == ENOENT;
	TRY(open_end(path, &fd, &st));
	if (made && lstat(path, &now) == 0 && now.st_ino == st.st_ino && now.st_dev == st.st_dev && now.st_size == 0)
		unlink(path);
	return NULL;
}

static struct err *cut_short(int fd, const char *path, off_t before, size_t wrote, size_t want, int os)
{
	struct stat now;
	bool alone = fstat(fd, &now) == 0 && now.st_size == before + (off_t)wrote;
	bool back = wrote == 0 || (alone && ftruncate(fd, before) == 0);
	return err_new(ERR_WRITE, "%s: %zu of %zu bytes could be written%s: %s", path, wrote, want,
		       back ? "" : " and stay there", os ? strerrordesc_np(os) : "the disk is full");
}

struct err *append_line(const char *path, const char *line, size_t len)
{
	AUTO_CLOSE int fd = -1;
	struct stat st = { 0 };
	TRY(open_end(path, &fd, &st));
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_add(&text, line, len);
	strbuf_putc(&text, '\n');
	ssize_t n = 0;
	do { /* in one write, so that lines of several writers do not mix */
		n = write(fd, text.buf, text.len);
	} while (n < 0 && errno == EINTR);
	int os = n < 0 ? errno : 0;
	size_t wrote = n < 0 ? 0 : (size_t)n;
	return wrote == text.len ? NULL : cut_short(fd, path, st.st_size, wrote, text.len, os);
}
