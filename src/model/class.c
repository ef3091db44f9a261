/* SPDX-License-Identifier: Apache-2.0 */
#include "model/class.h"

const struct mem_class_info mem_classes[CLASS_MAX_] = {
	[CLASS_GO_HEAP_LIVE] = { "go.heap.live", "objects the last GC marked, or allocated since", "#2f6fb7" },
	[CLASS_GO_HEAP_DEAD] = { "go.heap.dead", "objects the last GC did not mark, not swept yet", "#7d9fc9" },
	[CLASS_GO_HEAP_FREE] = { "go.heap.free", "slots and tails of in-use spans that hold no object", "#94b3db" },
	[CLASS_GO_HEAP_IDLE] = { "go.heap.idle", "free spans, not yet returned to the kernel", "#bcd0e8" },
	[CLASS_GO_STACK_INUSE] = { "go.stack.inuse", "stacks of goroutines", "#2e8b57" },
	[CLASS_GO_STACK_FREE] = { "go.stack.free", "stack memory kept for reuse", "#a5d6b9" },
	[CLASS_GO_META_SPANS] = { "go.meta.spans", "span structures, arena index", "#7b4fa3" },
	[CLASS_GO_META_CACHES] = { "go.meta.caches", "per-P allocation caches", "#9268b8" },
	[CLASS_GO_META_GC] = { "go.meta.gc", "mark bits, work buffers, page summaries", "#a981cb" },
	[CLASS_GO_META_PROFILE] = { "go.meta.profile", "profile buckets and their hash table", "#c09bdd" },
	[CLASS_GO_META_OTHER] = { "go.meta.other", "specials, itabs and other runtime memory", "#d7b9ee" },
	[CLASS_GO_DATA] = { "go.data", "data and bss of the Go image", "#c28a1e" },
	[CLASS_FILE_TEXT] = { "file.text", "code and read-only data of programs and libraries", "#d9ae5f" },
	[CLASS_FILE_DATA] = { "file.data", "data and bss of libraries, changed private file pages", "#e6c88f" },
	[CLASS_FILE_MAPPED] = { "file.mapped", "other mapped files", "#ead49f" },
	[CLASS_C_HEAP] = { "c.heap", "malloc's memory", "#b5432f" },
	[CLASS_C_HEAP_INUSE] = { "c.heap.inuse", "malloc's memory in use", "#c85f4d" },
	[CLASS_C_HEAP_FREE] = { "c.heap.free", "malloc's memory kept for reuse", "#e5a297" },
	[CLASS_C_STACK] = { "c.stack", "thread stacks", "#d5763b" },
	[CLASS_C_STACK_CACHED] = { "c.stack.cached", "stacks of ended threads, kept for reuse", "#ebb592" },
	[CLASS_MMAP_ANON] = { "mmap.anon", "other private memory mapped by the program", "#6b7a45" },
	[CLASS_SHM] = { "shm", "shared memory", "#97a86a" },
	[CLASS_KERNEL] = { "kernel", "vdso, vvar, uprobes", "#808080" },
	[CLASS_UNEXPLAINED] = { "unexplained", "what none of the above accounts for", "#e0218a" },
};
