/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <sys/socket.h>

#include "act/chain.h"
#include "act/frame.h"
#include "act/order.h"
#include "base/cleanup.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIECE_MAX = 64 * 1024 };

static void take(enum frame_kind kind, struct cursor *fields)
{
	struct chains *chains = NULL;
	struct order *order = NULL;
	struct err *err AUTO(err) = kind == FRAME_CHAINS ? chains_read(fields, &chains) : order_read(fields, &order);
	assert(!err || (!chains && !order));
	if (chains && chains->v.n > 0)
		chain_link(chains_find(chains, chains->v.v[0].policy), "x");
	chains_unref(chains);
	order_unref(order);
}

/* Frames as they come from a socket. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct frame_reader r;
	struct cursor fields;
	enum frame_kind kind = FRAME_CHAINS;
	int ends[2];
	if (size > PIECE_MAX || socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0)
		return 0;
	AUTO_CLOSE int from = ends[0];
	AUTO_CLOSE int to = ends[1];
	frame_reader_init(&r);
	if (send(to, data, size, MSG_DONTWAIT) == (ssize_t)size && frame_receive(&r, from)) {
		while (frame_next(&r, &kind, &fields) == FRAME_ONE)
			take(kind, &fields);
	}
	frame_reader_deinit(&r);
	return 0;
}
