/* SPDX-License-Identifier: Apache-2.0 */
#include "proc/maps.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>

#include "base/cleanup.h"
#include "base/lines.h"
#include "base/num.h"

enum { PAGE_MASK = 4095, DEVS_MAX = 64 };

/* Cut [*s, end) at the next `sep` and step over it; false when there is none. */
static bool field(char **s, const char *end, char sep, char **ret, size_t *len)
{
	char *stop = memchr(*s, sep, (size_t)(end - *s));
	if (!stop)
		return false;
	*ret = *s;
	*len = (size_t)(stop - *s);
	*s = stop + 1;
	return true;
}

static bool hex_field(char **s, const char *end, char sep, uint64_t *ret)
{
	char *w = NULL;
	size_t len = 0;
	return field(s, end, sep, &w, &len) && num_hex(w, len, ret);
}

static bool perms(char **s, const char *end, unsigned *flags)
{
	char *w = NULL;
	size_t len = 0;
	if (!field(s, end, ' ', &w, &len) || len != 4)
		return false;
	*flags = (w[0] == 'r' ? VMA_READ : 0u) | (w[1] == 'w' ? VMA_WRITE : 0u) | (w[2] == 'x' ? VMA_EXEC : 0u) |
		 (w[3] == 's' ? VMA_SHARED : 0u);
	return true;
}

/* "start-end perms offset major:minor inode"; *s is left at the spaces in front of the name. */
static const char *parse_numbers(char **s, const char *end, struct vma *v)
{
	if (!hex_field(s, end, '-', &v->start) || !hex_field(s, end, ' ', &v->end))
		return "has no address range";
	if (v->start >= v->end || (v->start | v->end) & PAGE_MASK)
		return "has an impossible address range";
	if (!perms(s, end, &v->flags))
		return "has no permissions";
	uint64_t major = 0, minor = 0;
	if (!hex_field(s, end, ' ', &v->offset))
		return "has no offset";
	if (!hex_field(s, end, ':', &major) || !hex_field(s, end, ' ', &minor) || (major | minor) > UINT32_MAX)
		return "has no device";
	v->dev_major = (uint32_t)major;
	v->dev_minor = (uint32_t)minor;
	size_t digits = strspn(*s, "0123456789");
	if (!num_dec(*s, digits, &v->inode))
		return "has no inode";
	*s += digits;
	return **s == ' ' || *s == end ? NULL : "has no inode";
}

/*
 * The kernel writes a newline in a path as \012 and leaves all else alone, a backslash too: a path that really holds
 * the four characters \012 cannot be told from one with a newline.
 */
static size_t unescape(char *s, size_t len)
{
	size_t out = 0;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '\\' && len - i >= 4 && !memcmp(s + i, "\\012", 4)) {
			s[out++] = '\n';
			i += 3;
		} else {
			s[out++] = s[i];
		}
	}
	return out;
}

static void set_name(char *s, const char *end, struct arena *arena, const char **last, struct vma *v)
{
	static const char deleted[] = " (deleted)";
	const size_t d = sizeof(deleted) - 1;
	while (*s == ' ')
		s++;
	size_t len = (size_t)(end - s);
	if (v->inode && len > d && !memcmp(s + len - d, deleted, d)) {
		v->flags |= VMA_DELETED;
		len -= d;
	}
	len = unescape(s, len);
	s[len] = 0;
	/* Segments of one file follow each other: share their name. */
	if (strcmp(*last, s) != 0)
		*last = arena_strndup(arena, s, len);
	v->name = *last;
	if (v->inode && !strcmp(v->name, "/anon_hugepage"))
		v->flags |= VMA_HUGETLB;
}

/*
 * A mapping that grew while the file was being read may be shown with pages that a line before has covered: the
 * kernel promises ascending addresses, not disjoint ranges. Keep what is new. False: nothing is.
 */
static bool clip(struct vma *v, uint64_t covered)
{
	if (v->end <= covered)
		return false;
	if (v->start < covered) {
		v->offset += v->inode ? covered - v->start : 0;
		v->start = covered;
	}
	return true;
}

struct err *proc_maps_parse(int fd, struct arena *arena, struct vma_vec *ret)
{
	AUTO(lines) struct lines l;
	lines_init(&l, fd);
	const char *last = "";
	size_t base = ret->n;
	for (;;) {
		char *line = NULL;
		size_t len = 0;
		TRY(lines_next(&l, &line, &len));
		if (!line)
			return NULL;
		len = strnlen(line, len); /* a NUL cannot be in a path */
		struct vma v = { 0 };
		const char *wrong = parse_numbers(&line, line + len, &v);
		if (wrong)
			return err_new(ERR_FORMAT, "line %zu %s", l.line, wrong);
		if (ret->n > base && !clip(&v, ret->v[ret->n - 1].end))
			continue;
		if (ret->n - base >= PROC_MAPS_MAX)
			return err_new(ERR_LIMIT, "more than %d mappings", PROC_MAPS_MAX);
		set_name(line, line + strlen(line), arena, &last, &v);
		*vec_push(ret) = v;
	}
}

/* Whether the file behind a mapping is of hugetlbfs: 1, 0, -1 not to be told (CAP_SYS_ADMIN is missing, it is gone). */
static int on_hugetlbfs(const struct proc_process *p, const struct vma *v)
{
	char name[64];
	snprintf(name, sizeof(name), "map_files/%lx-%lx", (unsigned long)v->start, (unsigned long)v->end);
	AUTO_CLOSE int fd = openat(p->dir, name, O_PATH | O_CLOEXEC);
	struct statfs st;
	if (fd < 0 || fstatfs(fd, &st) != 0)
		return -1;
	return st.f_type == HUGETLBFS_MAGIC;
}

/*
 * maps does not tell huge pages of a memfd, of System V memory or of a mounted hugetlbfs. They are on devices without a
 * major number, as tmpfs and overlays are: ask the file system once for each such device.
 */
static void flag_hugetlb(const struct proc_process *p, struct vma_vec *vmas, size_t base)
{
	struct {
		uint32_t minor;
		int huge;
	} seen[DEVS_MAX];
	size_t n = 0;
	for (size_t i = base; i < vmas->n; i++) {
		struct vma *v = &vmas->v[i];
		if (!v->inode || v->dev_major || v->flags & VMA_HUGETLB)
			continue;
		size_t k = 0;
		while (k < n && seen[k].minor != v->dev_minor)
			k++;
		if (k == DEVS_MAX)
			continue;
		if (k == n) {
			seen[n].minor = v->dev_minor;
			seen[n++].huge = on_hugetlbfs(p, v);
		} else if (seen[k].huge < 0) {
			seen[k].huge = on_hugetlbfs(p, v);
		}
		if (seen[k].huge > 0)
			v->flags |= VMA_HUGETLB;
	}
}

struct err *proc_maps_read(const struct proc_process *p, struct arena *arena, struct vma_vec *ret)
{
	AUTO_CLOSE int fd = -1;
	TRY(proc_process_file(p, "maps", O_RDONLY, &fd));
	size_t base = ret->n;
	struct err *err = proc_maps_parse(fd, arena, ret);
	if (!err)
		flag_hugetlb(p, ret, base);
	return err_wrap(err, "pid %d: reading maps", p->pid);
}
