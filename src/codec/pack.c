/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/pack.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/alloc.h"

enum { LEVEL = 1 }; /* a core is large, and whoever waits for it more so */

struct err *pack_open(int fd, const char *name, struct pack *ret)
{
	*ret = (struct pack){ .fd = fd, .name = name, .packer = ZSTD_createCCtx(), .room = ZSTD_CStreamOutSize() };
	if (!ret->packer)
		return err_nomem();
	ret->out = xmalloc(ret->room);
	ZSTD_CCtx_setParameter(ret->packer, ZSTD_c_compressionLevel, LEVEL);
	ZSTD_CCtx_setParameter(ret->packer, ZSTD_c_checksumFlag, 1);
	return NULL;
}

static struct err *write_out(const struct pack *p, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(p->fd, p->out + done, len - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_new(ERR_WRITE, "writing %s: %s", p->name, strerrordesc_np(errno));
		done += (size_t)n;
	}
	return NULL;
}

static struct err *run(struct pack *p, ZSTD_inBuffer *in, ZSTD_EndDirective how)
{
	for (size_t left = 1; left || in->pos < in->size;) {
		ZSTD_outBuffer out = { p->out, p->room, 0 };
		left = ZSTD_compressStream2(p->packer, &out, in, how);
		if (ZSTD_isError(left))
			return err_new(ERR_INTERNAL, "packing %s: %s", p->name, ZSTD_getErrorName(left));
		TRY(write_out(p, out.pos));
		if (how == ZSTD_e_continue)
			left = 0;
	}
	return NULL;
}

struct err *pack_add(struct pack *p, const void *data, size_t len)
{
	ZSTD_inBuffer in = { data, len, 0 };
	return run(p, &in, ZSTD_e_continue);
}

struct err *pack_finish(struct pack *p)
{
	ZSTD_inBuffer in = { 0 };
	return run(p, &in, ZSTD_e_end);
}

void pack_close(struct pack *p)
{
	ZSTD_freeCCtx(p->packer);
	free(p->out);
	p->packer = NULL;
	p->out = NULL;
}
