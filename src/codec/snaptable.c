/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/snaptable.h"

#include "model/snapshot.h"

/* clang-format off */
#define MEMBER(type, member) (((struct type *)NULL)->member)
#define KIND_OF(type, member)                                                                                          \
	_Generic(MEMBER(type, member), \
	uint64_t: SNAP_U64, uint32_t: SNAP_U32, int: SNAP_INT, int64_t: SNAP_I64, bool: SNAP_BOOL, \
	double: SNAP_DOUBLE, const char *: SNAP_STRING, struct str_vec: SNAP_STRINGS, struct u32_vec: SNAP_NUMBERS)
#define ANY(type, number, member, kind, sub, limit)                                                                    \
	{                                                                                                              \
#member, number, kind, offsetof(struct type, member), sizeof(MEMBER(type, member)), sub, limit         \
	}

/* A member whose kind its type tells; u64: a figure that may be unknown. */
#define F(type, number, member) ANY(type, number, member, KIND_OF(type, member), NULL, 0)
/* A u64 that is never unknown; a string that is never NULL. */
#define N(type, number, member) ANY(type, number, member, SNAP_COUNT, NULL, 0)
#define T(type, number, member) ANY(type, number, member, SNAP_TEXT, NULL, 0)
/* A struct, a vector of structs, an array of structs. */
#define M(type, number, member, sub) ANY(type, number, member, SNAP_MESSAGE, sub, 0)
#define R(type, number, member, sub) ANY(type, number, member, SNAP_ROWS, sub, 0)
#define A(type, number, member, sub, n) ANY(type, number, member, SNAP_ARRAY, sub, n)
/* A kind of its own. */
#define K(type, number, member, kind) ANY(type, number, member, kind, NULL, 0)
#define OUT(type, member) ANY(type, 0, member, SNAP_LEFT_OUT, NULL, 0)
#define END                                                                                                            \
	{                                                                                                              \
		NULL, 0, SNAP_LEFT_OUT, 0, 0, NULL, 0                                                                  \
	}
#define TABLE(type, message, ...)                                                                                      \
	{                                                                                                              \
		message, sizeof(struct type), (const struct snap_row[])                                                \
		{                                                                                                      \
			__VA_ARGS__, END                                                                               \
		}                                                                                                      \
	}
/* clang-format on */

/* ---- account ---- */

static const struct snap_table setting =
	TABLE(account_setting, "Setting", T(account_setting, 1, name), T(account_setting, 2, value));

static const struct snap_table go = TABLE(
	account_go, "Go", F(account_go, 1, is_go), F(account_go, 2, layout_known), F(account_go, 3, version),
	F(account_go, 4, layout), F(account_go, 5, module), F(account_go, 6, vcs_revision), F(account_go, 7, build_id),
	F(account_go, 8, gnu_build_id), F(account_go, 9, stripped), F(account_go, 10, pie), F(account_go, 11, cgo),
	F(account_go, 12, experiments), R(account_go, 13, godebug, &setting));

static const struct snap_table integrity =
	TABLE(account_integrity, "Integrity", F(account_integrity, 1, exe_matches_disk),
	      F(account_integrity, 2, text_modified), F(account_integrity, 3, probes),
	      F(account_integrity, 4, foreign_exec), F(account_integrity, 5, preloaded));

const struct snap_table snap_table_totals =
	TABLE(account_class, "ClassTotals", N(account_class, 2, resident), N(account_class, 3, virtual_size),
	      N(account_class, 4, swap), N(account_class, 5, huge), N(account_class, 6, lazyfree),
	      N(account_class, 7, pss), N(account_class, 8, anon));

/* The element of an array that has no type name. */
struct by_status {
	const char *status;
	uint64_t count;
};
_Static_assert(sizeof(struct by_status) == sizeof(MEMBER(account_runtime, by_status[0])) &&
		       offsetof(struct by_status, count) == offsetof(struct account_runtime, by_status[0].count) -
								    offsetof(struct account_runtime, by_status),
	       "as in model/account.h");

static const struct snap_table by_status =
	TABLE(by_status, "StatusCount", F(by_status, 1, status), N(by_status, 2, count));

static const struct snap_table runtime = TABLE(
	account_runtime, "Runtime", F(account_runtime, 1, heap_alloc), F(account_runtime, 2, heap_inuse),
	F(account_runtime, 3, heap_idle), F(account_runtime, 4, heap_released), F(account_runtime, 5, heap_objects),
	F(account_runtime, 6, stack_inuse), F(account_runtime, 7, total_alloc), F(account_runtime, 8, mallocs),
	F(account_runtime, 9, frees), F(account_runtime, 10, gc_percent), F(account_runtime, 11, memory_limit),
	F(account_runtime, 12, gomaxprocs), F(account_runtime, 13, cpu_quota), F(account_runtime, 14, goroutines),
	A(account_runtime, 15, by_status, &by_status, ACCOUNT_G_STATUS), F(account_runtime, 16, threads),
	F(account_runtime, 17, spans), F(account_runtime, 18, heap_inuse_counter),
	F(account_runtime, 19, stack_inuse_counter));

static const struct snap_table gc =
	TABLE(account_gc, "Gc", F(account_gc, 1, count), F(account_gc, 2, forced), F(account_gc, 3, last_unix_ns),
	      F(account_gc, 4, phase), F(account_gc, 5, interval_seconds), F(account_gc, 6, pause_p50_ms),
	      F(account_gc, 7, pause_p99_ms), F(account_gc, 8, pause_total_ms), F(account_gc, 9, cpu_fraction),
	      F(account_gc, 10, heap_goal), F(account_gc, 11, heap_marked));

static const struct snap_table process =
	TABLE(account_process, "Process", F(account_process, 1, pid), F(account_process, 2, comm),
	      F(account_process, 3, go), F(account_process, 4, rss));

static const struct snap_table step = TABLE(account_step, "Step", T(account_step, 1, step), F(account_step, 2, bytes));

static const struct snap_table event =
	TABLE(account_count, "Event", T(account_count, 1, name), F(account_count, 2, value));

static const struct snap_table cgroup =
	TABLE(account_cgroup, "Cgroup", F(account_cgroup, 1, version), F(account_cgroup, 2, path),
	      F(account_cgroup, 3, limit_path), F(account_cgroup, 4, limit), F(account_cgroup, 5, high),
	      F(account_cgroup, 6, usage), F(account_cgroup, 7, working_set), F(account_cgroup, 8, swap),
	      R(account_cgroup, 9, events, &event), F(account_cgroup, 10, anon), F(account_cgroup, 11, file),
	      F(account_cgroup, 12, inactive_file), F(account_cgroup, 13, shmem), F(account_cgroup, 14, kernel),
	      F(account_cgroup, 15, slab), F(account_cgroup, 16, sock), F(account_cgroup, 17, pagetables),
	      F(account_cgroup, 18, percpu), R(account_cgroup, 19, processes, &process),
	      R(account_cgroup, 20, balance, &step), F(account_cgroup, 21, unexplained));

static const struct snap_table space =
	TABLE(account_space, "AddressSpace", F(account_space, 1, span), F(account_space, 2, regions),
	      F(account_space, 3, gaps), F(account_space, 4, mean_gap), F(account_space, 5, page_table),
	      F(account_space, 6, vma_limit_ratio));

static const struct snap_table c_arena =
	TABLE(account_c_arena, "CArena", N(account_c_arena, 1, addr), F(account_c_arena, 2, main),
	      F(account_c_arena, 3, threads), F(account_c_arena, 4, system), F(account_c_arena, 5, inuse),
	      F(account_c_arena, 6, free), F(account_c_arena, 7, thread_cache), F(account_c_arena, 8, top),
	      F(account_c_arena, 9, unknown));

static const struct snap_table c_heap =
	TABLE(account_c_heap, "CHeap", F(account_c_heap, 1, allocator), F(account_c_heap, 2, system),
	      F(account_c_heap, 3, inuse), F(account_c_heap, 4, free), F(account_c_heap, 5, unknown),
	      F(account_c_heap, 6, thread_cache), F(account_c_heap, 7, top), F(account_c_heap, 8, mmapped),
	      F(account_c_heap, 9, mmapped_blocks), R(account_c_heap, 10, arenas, &c_arena));

static const struct snap_table owner = TABLE(account_owner, "Owner", K(account_owner, 1, class, SNAP_CLASS),
					     T(account_owner, 2, owner), N(account_owner, 3, resident));

static const struct snap_table mapping =
	TABLE(vma, "Mapping", N(vma, 1, start), N(vma, 2, end), N(vma, 3, offset), N(vma, 4, inode),
	      F(vma, 5, dev_major), F(vma, 6, dev_minor), F(vma, 7, flags), T(vma, 8, name));

static const struct snap_table resident =
	TABLE(account_vma, "Resident", N(account_vma, 1, rss), N(account_vma, 2, swap),
	      K(account_vma, 3, classes, SNAP_CLASSES), F(account_vma, 4, label));

/* The heat map of the address space is left out: it is large, and made for a page only. */
static const struct snap_table account =
	TABLE(account, "Account", { "class_names", 1, SNAP_NAMES, 0, 0, NULL, 0 }, K(account, 0, arena, SNAP_ARENA),
	      F(account, 2, pid), F(account, 3, comm), F(account, 4, exe), F(account, 5, time_unix_ns),
	      F(account, 6, elapsed_ns), F(account, 7, stopped_ns), F(account, 8, error_bound), F(account, 9, rss),
	      F(account, 10, swap), F(account, 11, pss), F(account, 12, unexplained), F(account, 13, returnable),
	      M(account, 14, go, &go), M(account, 15, integrity, &integrity),
	      ANY(account, 16, classes, SNAP_TOTALS, &snap_table_totals, 0), M(account, 17, runtime, &runtime),
	      M(account, 18, gc, &gc), M(account, 19, cgroup, &cgroup), M(account, 20, space, &space),
	      R(account, 21, owners, &owner), R(account, 22, maps, &mapping), R(account, 23, vmas, &resident),
	      OUT(account, cells), F(account, 24, notes), M(account, 25, c_heap, &c_heap));

/* ---- evidence ---- */

const struct snap_table snap_table_frame = TABLE(frame, "Frame", T(frame, 1, function), T(frame, 2, file),
						 F(frame, 3, line), F(frame, 4, inlined), N(frame, 5, addr));

/* Labels with text come from the target's heap; those with a number are measures. */
const struct snap_table snap_table_label =
	TABLE(profile_label, "Label", T(profile_label, 1, key), OUT(profile_label, text), F(profile_label, 2, number),
	      T(profile_label, 3, unit));

static const struct snap_table binary =
	TABLE(profile_mapping, "Binary", N(profile_mapping, 1, start), N(profile_mapping, 2, limit),
	      N(profile_mapping, 3, offset), T(profile_mapping, 4, file), T(profile_mapping, 5, build_id));

static const struct snap_table period_type =
	TABLE(profile_type, "PeriodType", F(profile_type, 1, type), F(profile_type, 2, unit));

/* The types are the four of model/heap.h; `samples` has values and labels with it. */
static const struct snap_table profile =
	TABLE(profile, "Profile", ANY(profile, 1, stacks, SNAP_STACKS, &snap_table_frame, 0), OUT(profile, types),
	      OUT(profile, n_types), ANY(profile, 2, samples, SNAP_SAMPLES, &snap_table_label, 0), OUT(profile, values),
	      OUT(profile, labels), R(profile, 3, mappings, &binary), F(profile, 4, comments),
	      M(profile, 5, period_type, &period_type), F(profile, 6, period), F(profile, 7, default_type),
	      F(profile, 8, time_unix_ns), F(profile, 9, duration_ns));

static const struct snap_table type =
	TABLE(heap_type, "HeapType", T(heap_type, 1, type), N(heap_type, 2, objects), N(heap_type, 3, bytes));

static const struct snap_table span =
	TABLE(heap_span, "HeapSpan", F(heap_span, 1, class_bytes), F(heap_span, 2, noscan), F(heap_span, 3, p),
	      N(heap_span, 4, spans), N(heap_span, 5, span_bytes), N(heap_span, 6, objects),
	      N(heap_span, 7, object_bytes), N(heap_span, 8, free_slots), N(heap_span, 9, cached_in_mcache),
	      N(heap_span, 10, unswept), N(heap_span, 11, partial), N(heap_span, 12, full), F(heap_span, 13, resident));

static const struct snap_table heap =
	TABLE(heap_view, "Heap", M(heap_view, 1, profile, &profile), F(heap_view, 2, rate), F(heap_view, 3, enabled),
	      F(heap_view, 4, reason), N(heap_view, 5, buckets), R(heap_view, 6, types, &type),
	      F(heap_view, 7, typed_ratio), R(heap_view, 8, spans, &span), F(heap_view, 9, cgroup_limit),
	      F(heap_view, 10, cgroup_usage), F(heap_view, 11, cgroup_working_set));

static const struct snap_table goroutine =
	TABLE(goroutine, "Goroutine", N(goroutine, 1, id), N(goroutine, 2, parent), T(goroutine, 3, state),
	      F(goroutine, 4, wait_reason), F(goroutine, 5, wait_ns), F(goroutine, 6, stack_bytes),
	      K(goroutine, 7, stack, SNAP_STACK), K(goroutine, 8, created_by, SNAP_STACK), F(goroutine, 9, count),
	      OUT(goroutine, label_at), OUT(goroutine, label_n), F(goroutine, 10, fd), F(goroutine, 11, peer),
	      N(goroutine, 12, wait_on), F(goroutine, 13, wait_type), F(goroutine, 14, input), F(goroutine, 15, flags));

/* Labels come from the target's heap. */
static const struct snap_table goroutines =
	TABLE(goroutines, "Goroutines", ANY(goroutines, 1, stacks, SNAP_STACKS, &snap_table_frame, 0),
	      R(goroutines, 2, v, &goroutine), OUT(goroutines, labels), N(goroutines, 3, total), F(goroutines, 4, live),
	      F(goroutines, 5, since_gc_ns));

static const struct snap_table timer_group =
	TABLE(timer_group, "TimerGroup", K(timer_group, 1, callback, SNAP_STACK),
	      ANY(timer_group, 2, kind, SNAP_ENUM, NULL, TIMER_KIND_MAX_), N(timer_group, 3, count),
	      F(timer_group, 4, holder), F(timer_group, 5, collectable), F(timer_group, 6, period_ns),
	      F(timer_group, 7, next_ns), N(timer_group, 8, bytes));

static const struct snap_table timers = TABLE(
	timers, "Timers", ANY(timers, 1, stacks, SNAP_STACKS, &snap_table_frame, 0), R(timers, 2, groups, &timer_group),
	N(timers, 3, total), F(timers, 4, semantics_123), F(timers, 5, semantics_from), F(timers, 6, complete));

static const struct snap_table fd_kind = TABLE(fd_kind, "FdKind", T(fd_kind, 1, kind), N(fd_kind, 2, count));

static const struct snap_table fd_socket =
	TABLE(fd_socket, "Socket", T(fd_socket, 1, protocol), T(fd_socket, 2, peer), F(fd_socket, 3, local),
	      T(fd_socket, 4, state), N(fd_socket, 5, count), F(fd_socket, 6, rx_queue), F(fd_socket, 7, tx_queue),
	      F(fd_socket, 8, skmem));

static const struct snap_table fd_epoll = TABLE(fd_epoll, "Epoll", F(fd_epoll, 1, fd), N(fd_epoll, 2, watched));

static const struct snap_table fd_row =
	TABLE(fd_row, "Descriptor", F(fd_row, 1, fd), T(fd_row, 2, kind), T(fd_row, 3, what), N(fd_row, 4, inode));

static const struct snap_table fd_cgroup =
	TABLE(fd_cgroup, "CgroupLeft", T(fd_cgroup, 1, path), F(fd_cgroup, 2, age_ns), F(fd_cgroup, 3, charged));

static const struct snap_table fds =
	TABLE(fds, "Fds", K(fds, 0, arena, SNAP_ARENA), N(fds, 1, total), F(fds, 2, limit), R(fds, 3, kinds, &fd_kind),
	      R(fds, 4, sockets, &fd_socket), R(fds, 5, epolls, &fd_epoll), R(fds, 6, rows, &fd_row),
	      N(fds, 7, deleted_bytes), N(fds, 8, deleted_files), F(fds, 9, socket_kernel), N(fds, 10, sockets_unknown),
	      R(fds, 11, cgroups, &fd_cgroup), N(fds, 12, cgroups_left), F(fds, 13, cgroups_charged),
	      F(fds, 14, cgroups_oldest_ns), F(fds, 15, cgroups_dying), N(fds, 16, memfds), N(fds, 17, memfd_bytes));

static const struct snap_table owners_root =
	TABLE(owners_root, "OwnersRoot", ANY(owners_root, 1, kind, SNAP_ENUM, NULL, OWNERS_ROOT_MAX_),
	      F(owners_root, 2, name), F(owners_root, 3, used_by), M(owners_root, 4, site, &snap_table_frame),
	      F(owners_root, 5, blocked_at), N(owners_root, 6, goroutines), F(owners_root, 7, retained),
	      F(owners_root, 8, retained_objects));

static const struct snap_table owners_type =
	TABLE(owners_type, "OwnersType", T(owners_type, 1, type), N(owners_type, 2, objects), N(owners_type, 3, bytes),
	      F(owners_type, 4, retained));

static const struct snap_table owners_step =
	TABLE(owners_step, "OwnersStep", F(owners_step, 1, type), F(owners_step, 2, field), N(owners_step, 3, objects),
	      N(owners_step, 4, bytes));

static const struct snap_table owners_path =
	TABLE(owners_path, "OwnersPath", F(owners_path, 1, root), F(owners_path, 2, step_at), F(owners_path, 3, step_n),
	      F(owners_path, 4, retained), F(owners_path, 5, objects), F(owners_path, 6, text),
	      K(owners_path, 7, site, SNAP_STACK), F(owners_path, 8, site_share), F(owners_path, 9, held_by),
	      F(owners_path, 10, length));

static const struct snap_table owners_map = TABLE(
	owners_map, "OwnersMap", F(owners_map, 1, type), F(owners_map, 2, owner), N(owners_map, 3, maps),
	F(owners_map, 4, entries), F(owners_map, 5, capacity), F(owners_map, 6, bytes), F(owners_map, 7, recoverable));

static const struct snap_table owners_waste =
	TABLE(owners_waste, "OwnersWaste", F(owners_waste, 1, rule), F(owners_waste, 2, owner),
	      F(owners_waste, 3, text), F(owners_waste, 4, count), F(owners_waste, 5, bytes));

static const struct snap_table owners_holder =
	TABLE(owners_holder, "OwnersHolder", F(owners_holder, 1, kind), F(owners_holder, 2, type),
	      F(owners_holder, 3, owner), F(owners_holder, 4, count), F(owners_holder, 5, elements),
	      F(owners_holder, 6, bytes), F(owners_holder, 7, retained), F(owners_holder, 8, text));

static const struct snap_table owners_stuck =
	TABLE(owners_stuck, "OwnersStuck", N(owners_stuck, 1, count), F(owners_stuck, 2, reason),
	      K(owners_stuck, 3, stack, SNAP_STACK), K(owners_stuck, 4, created_by, SNAP_STACK),
	      F(owners_stuck, 5, retained));

static const struct snap_table owners_iterator =
	TABLE(owners_iterator, "OwnersIterator", N(owners_iterator, 1, goroutine), N(owners_iterator, 2, depth),
	      N(owners_iterator, 3, map), N(owners_iterator, 4, mark), F(owners_iterator, 5, type),
	      F(owners_iterator, 6, owner));

static const struct snap_table owners_finalizers =
	TABLE(owners_finalizers, "OwnersFinalizers", F(owners_finalizers, 1, set), F(owners_finalizers, 2, cleanups),
	      F(owners_finalizers, 3, queued), F(owners_finalizers, 4, blocked), F(owners_finalizers, 5, at),
	      F(owners_finalizers, 6, cycles), F(owners_finalizers, 7, resurrected));

static const struct snap_table owners = TABLE(
	owners, "Owners", ANY(owners, 1, stacks, SNAP_STACKS, &snap_table_frame, 0), F(owners, 2, jvm),
	N(owners, 3, reachable), N(owners, 4, reachable_objects), N(owners, 5, floating),
	N(owners, 6, floating_objects), F(owners, 7, heap_marked), F(owners, 8, typed_ratio), F(owners, 9, stopped_ns),
	F(owners, 10, elapsed_ns), N(owners, 11, copied), N(owners, 12, inconsistencies),
	R(owners, 13, roots, &owners_root), R(owners, 14, types, &owners_type), R(owners, 15, steps, &owners_step),
	R(owners, 16, paths, &owners_path), R(owners, 17, maps, &owners_map), R(owners, 18, waste, &owners_waste),
	R(owners, 19, holders, &owners_holder), R(owners, 20, stuck, &owners_stuck),
	M(owners, 21, finalizers, &owners_finalizers), R(owners, 22, iterators, &owners_iterator));

/* ---- the whole ---- */

static const struct snap_table identity =
	TABLE(snapshot_identity, "Identity", F(snapshot_identity, 1, pid), F(snapshot_identity, 2, comm),
	      F(snapshot_identity, 3, exe), N(snapshot_identity, 4, start_ticks), F(snapshot_identity, 5, boot_id),
	      F(snapshot_identity, 6, build_id), F(snapshot_identity, 7, go_version), F(snapshot_identity, 8, module));

static const struct snap_table clocks =
	TABLE(snapshot_clock, "Clock", F(snapshot_clock, 1, wall), F(snapshot_clock, 2, monotonic),
	      F(snapshot_clock, 3, boot), F(snapshot_clock, 4, last_gc_wall), F(snapshot_clock, 5, gc_count),
	      F(snapshot_clock, 6, gc_count_end), F(snapshot_clock, 7, gc_phase), N(snapshot_clock, 8, num_forced_gc));

const struct snap_table snap_table =
	TABLE(snapshot, "Snapshot", K(snapshot, 0, arena, SNAP_ARENA), F(snapshot, 1, parts), F(snapshot, 2, source),
	      M(snapshot, 3, id, &identity), M(snapshot, 4, clock, &clocks), M(snapshot, 5, account, &account),
	      M(snapshot, 6, heap, &heap), M(snapshot, 7, goroutines, &goroutines), M(snapshot, 8, timers, &timers),
	      M(snapshot, 9, fds, &fds), F(snapshot, 10, notes), F(snapshot, 11, note_parts),
	      M(snapshot, 12, owners, &owners), OUT(snapshot, noting));
