/* SPDX-License-Identifier: Apache-2.0 */
#include "account/role.h"

#include <string.h>

#include "base/num.h"

static bool starts(const char *s, const char *with)
{
	return strncmp(s, with, strlen(with)) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');
	return slash && slash[1] ? slash + 1 : path;
}

/* Names the kernel gives, and what they mean; the first that fits. */
static const struct {
	const char *prefix;
	struct role role;
} named[] = {
	{ "[heap]", { ROLE_HEAP, CLASS_C_HEAP, CLASS_C_HEAP, "[heap]", "C heap (brk)" } },
	{ "[stack", { ROLE_STACK, CLASS_C_STACK, CLASS_C_STACK, "main thread", "stack of the main thread" } },
	{ "[vdso]", { ROLE_KERNEL, CLASS_KERNEL, CLASS_KERNEL, "[vdso]", "kernel" } },
	{ "[vvar", { ROLE_KERNEL, CLASS_KERNEL, CLASS_KERNEL, "[vvar]", "kernel" } },
	{ "[vsyscall]", { ROLE_KERNEL, CLASS_KERNEL, CLASS_KERNEL, "[vsyscall]", "kernel" } },
	{ "[uprobes",
	  { ROLE_KERNEL, CLASS_KERNEL, CLASS_KERNEL, "[uprobes]", "kernel: uprobes" } }, /* and -trampoline */
	{ "[anon: Go: ", { ROLE_NAMED, CLASS_GO_META_OTHER, CLASS_GO_META_OTHER, NULL, NULL } },
	{ "[anon_shmem:", { ROLE_SHM, CLASS_SHM, CLASS_SHM, NULL, NULL } },
	{ "[anon:", { ROLE_NAMED, CLASS_MMAP_ANON, CLASS_MMAP_ANON, NULL, NULL } },
	{ "/dev/shm/", { ROLE_SHM, CLASS_SHM, CLASS_SHM, NULL, NULL } },
	{ "/memfd:", { ROLE_SHM, CLASS_SHM, CLASS_SHM, NULL, NULL } },
	{ "/SYSV", { ROLE_SHM, CLASS_SHM, CLASS_SHM, NULL, NULL } },
	{ "/dev/zero", { ROLE_SHM, CLASS_SHM, CLASS_SHM, NULL, NULL } },
};

static bool by_name(const struct vma *v, struct role *ret)
{
	for (size_t i = 0; i < sizeof(named) / sizeof(named[0]); i++) {
		if (!starts(v->name, named[i].prefix))
			continue;
		*ret = named[i].role;
		if (!ret->owner)
			ret->owner = v->name;
		if (!ret->label)
			ret->label = v->name;
		return true;
	}
	return false;
}

static bool in_image(const struct target *t, const struct vma *v)
{
	const struct vma *found = t->is_go ? vma_find(&t->image, v->start) : NULL;
	return found && found->inode == v->inode;
}

/* Files with an executable mapping are programs and libraries; remembered by device and inode. */
struct elf_file {
	uint64_t inode;
	uint32_t major, minor;
};

VEC_TYPE(elf_file_vec, struct elf_file);

static bool is_elf(const struct elf_file_vec *files, const struct vma *v)
{
	for (size_t i = 0; i < files->n; i++) {
		const struct elf_file *f = &files->v[i];
		if (f->inode == v->inode && f->major == v->dev_major && f->minor == v->dev_minor)
			return true;
	}
	return false;
}

static void collect_elf(const struct target *t, struct elf_file_vec *files)
{
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		if (v->inode && v->flags & VMA_EXEC && !is_elf(files, v))
			*vec_push(files) = (struct elf_file){ v->inode, v->dev_major, v->dev_minor };
	}
}

static struct role file_role(const struct vma *v, bool elf)
{
	bool writable = v->flags & VMA_WRITE;
	const char *name = base_name(v->name);
	if (!elf)
		return (struct role){ ROLE_FILE, CLASS_FILE_MAPPED, CLASS_FILE_DATA, name, name };
	return (struct role){ ROLE_ELF, writable ? CLASS_FILE_DATA : CLASS_FILE_TEXT, CLASS_FILE_DATA, name, name };
}

static struct role image_role(const struct vma *v)
{
	bool writable = v->flags & VMA_WRITE;
	if (!v->inode)
		return (struct role){ ROLE_GO_BSS, CLASS_GO_DATA, CLASS_GO_DATA, NULL, "Go bss" };
	return (struct role){ ROLE_GO_IMAGE, writable ? CLASS_GO_DATA : CLASS_FILE_TEXT, CLASS_GO_DATA, NULL,
			      v->flags & VMA_EXEC ? "Go code"
			      : writable	  ? "Go data"
						  : "Go read-only data" };
}

void role_assign(const struct target *t, struct role *ret)
{
	struct elf_file_vec files = { 0 };
	collect_elf(t, &files);
	for (size_t i = 0; i < t->maps.n; i++) {
		const struct vma *v = &t->maps.v[i];
		bool joined = i && t->maps.v[i - 1].end == v->start;
		if (in_image(t, v))
			ret[i] = image_role(v);
		else if (by_name(v, &ret[i]))
			continue;
		else if (v->inode)
			ret[i] = file_role(v, is_elf(&files, v));
		else if (v->flags & VMA_SHARED)
			ret[i] = (struct role){ ROLE_SHM, CLASS_SHM, CLASS_SHM, "shared anonymous memory",
						"shared memory" };
		else if (joined && ret[i - 1].kind == ROLE_ELF && v->flags & VMA_WRITE &&
			 t->maps.v[i - 1].flags & VMA_WRITE)
			ret[i] = (struct role){ ROLE_ELF_BSS, CLASS_FILE_DATA, CLASS_FILE_DATA, ret[i - 1].owner,
						ret[i - 1].label };
		else
			ret[i] = (struct role){ ROLE_ANON, CLASS_MMAP_ANON, CLASS_MMAP_ANON, NULL, "anonymous memory" };
	}
	vec_deinit(&files);
}
