/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * act/frame - what the daemon and the actor tell each other: frames on a stream socket.
 *
 * A frame is u32 length of what follows, u8 kind, fields. Little-endian; a string is u32 length, bytes and a NUL; the
 * length 0xffffffff stands for NULL. Neither side trusts the other: FRAME_MAX bounds a frame, a cursor every field, and a frame that is
 * malformed ends the connection.
 */

#include <stdbool.h>
#include <stdint.h>

#include "base/cursor.h"
#include "base/strbuf.h"

enum { FRAME_MAX = 4 * 1024 * 1024 };

enum frame_kind {
	FRAME_CHAINS = 1, /* to the actor: struct chains, see act/chain.h */
	FRAME_ORDER,	  /* ... struct order, see act/actor.h */
	FRAME_REHEARSE,	  /* ... u32 number */
	FRAME_OUTCOME,	  /* to the daemon: struct frame_outcome */
	FRAME_REHEARSED,  /* ... u32 number, string: what is wrong, one sentence a line */
};

/* ---- writing ---- */

/* begin gives the offset that end needs. */
size_t frame_begin(struct strbuf *out, enum frame_kind kind);
void frame_u8(struct strbuf *out, unsigned v);
void frame_u32(struct strbuf *out, uint32_t v);
void frame_str(struct strbuf *out, const char *s);
void frame_end(struct strbuf *out, size_t at);

/* Sends what it can of `out` from *sent on; all gone: both are 0 again. False: the other side has gone. */
bool frame_send(int fd, struct strbuf *out, size_t *sent);

/* ---- reading ---- */

struct frame_reader {
	struct strbuf in;
	size_t at; /* what was given before is done with */
};

void frame_reader_init(struct frame_reader *r);
void frame_reader_deinit(struct frame_reader *r);

/* Takes what is there, without waiting. False: the other side has gone. */
bool frame_receive(struct frame_reader *r, int fd);

enum frame_next { FRAME_NONE, FRAME_ONE, FRAME_BROKEN };
/* The next whole frame; its fields are valid until frame_receive(). */
enum frame_next frame_next(struct frame_reader *r, enum frame_kind *kind, struct cursor *fields);

/* A string, where it stands in the frame. NULL stays NULL; NULL and bad when it is malformed. */
const char *frame_get(struct cursor *c);
