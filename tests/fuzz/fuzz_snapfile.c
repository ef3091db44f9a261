/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snapfile.h"

enum { UNPACKED_MAX = 16 << 20 };

/* Plain or packed; what can be read can be written. */
int LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
	AUTO(stream) struct stream s = { 0 };
	AUTO(snapshot) struct snapshot snap;
	snapshot_init(&snap);
	struct err *err AUTO(err) = stream_open_memory(data, size, "fuzz", UNPACKED_MAX, &s);
	if (!err)
		err = snapfile_read(&s, &snap);
	if (err)
		return 0;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	err_free(snapfile_write(&snap, &out));
	return 0;
}
