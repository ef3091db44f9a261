/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

#include "gort/layout.h"

static const struct gort_layout *row(int minor, const char *experiment)
{
	for (unsigned i = 0; i < gort_layouts_count; i++)
		if (gort_layouts[i].minor == minor && !strcmp(gort_layouts[i].experiment, experiment))
			return &gort_layouts[i];
	return NULL;
}

static void assert_at(int minor, const char *experiment, enum gort_field f, int32_t off, uint32_t size)
{
	const struct gort_layout *l = row(minor, experiment);
	assert_non_null(l);
	assert_int_equal(l->f[f].off, off);
	assert_int_equal(l->f[f].size, size);
}

static void every_version_has_a_row(void **state)
{
	(void)state;
	static const int minors[] = { 19, 21, 22, 23, 24, 25, 26, 27 };
	for (size_t i = 0; i < sizeof(minors) / sizeof(minors[0]); i++)
		assert_non_null(row(minors[i], ""));
	assert_non_null(row(22, "noallocheaders"));
	assert_non_null(row(24, "noswissmap"));
	assert_non_null(row(25, "noswissmap"));
	assert_non_null(row(25, "greenteagc"));
	assert_non_null(row(26, "nogreenteagc"));
	assert_non_null(row(27, "nogreenteagc"));
}

static bool has_swiss_maps(const struct gort_layout *l)
{
	return l->minor >= 24 && strcmp(l->experiment, "noswissmap") != 0;
}

/* 1.22 could still be built with the pointer bitmaps of 1.21. */
static bool has_old_bitmap(const struct gort_layout *l)
{
	return strcmp(l->experiment, "noallocheaders") == 0;
}

/* Fields that some version lacks; any other must be there. */
static bool may_lack(const struct gort_layout *l, enum gort_field f)
{
	int minor = l->minor;
	switch (f) {
	case GORT_mheap_heapArenas:
	case GORT_heapArena_pageUseSpanInlineMarkBits:
		return minor < 25;
	case GORT_mheap_allArenas:
		return minor >= 25;
	case GORT_memRecordCycle_alloc_bytes:
	case GORT_memRecordCycle_free_bytes:
		return minor >= 27;
	case GORT_heapArena_bitmap:
		return minor >= 22 && !has_old_bitmap(l);
	case GORT_heapArena_noMorePtrs:
		return minor < 20 || (minor >= 22 && !has_old_bitmap(l));
	case GORT_mspan_isUserArenaChunk:
	case GORT_g_parentGoid:
	case GORT__func_startLine:
		return minor < 20;
	case GORT_mspan_largeType:
	case GORT_g_coroarg:
		return minor < 22;
	case GORT_timer_nextwhen:
	case GORT_timer_status:
		return minor >= 23;
	case GORT_hmap_count:
	case GORT_hmap_B:
	case GORT_hmap_buckets:
	case GORT_hmap_oldbuckets:
	case GORT_hmap_noverflow:
	case GORT_hmap_nevacuate:
	case GORT_hmap_extra:
	case GORT_hmap_SIZEOF:
	case GORT_mapextra_SIZEOF:
	case GORT_mapextra_overflow:
	case GORT_mapextra_oldoverflow:
	case GORT_mapextra_nextOverflow:
		return has_swiss_maps(l);
	case GORT_map_SIZEOF:
	case GORT_map_used:
	case GORT_map_dirPtr:
	case GORT_map_dirLen:
	case GORT_table_SIZEOF:
	case GORT_table_used:
	case GORT_table_capacity:
	case GORT_table_growthLeft:
	case GORT_table_index:
	case GORT_table_localDepth:
	case GORT_table_groups_data:
	case GORT_table_groups_lengthMask:
		return !has_swiss_maps(l);
	case GORT_syncMap_read:
	case GORT_syncMap_dirty:
	case GORT_syncMap_misses:
	case GORT_readOnly_m:
	case GORT_readOnly_amended:
		return minor >= 24;
	case GORT_specialWeakHandle_SIZEOF:
	case GORT_specialWeakHandle_handle:
	case GORT_g_syscallbp:
	case GORT_hchan_timer:
	case GORT_timer_ts:
	case GORT_timer_astate:
	case GORT_timer_state:
	case GORT_timer_blocked:
	case GORT_timer_isChan:
	case GORT_timer_isSending:
	case GORT_timers_SIZEOF:
	case GORT_timers_heap:
	case GORT_timerWhen_SIZEOF:
	case GORT_timerWhen_timer:
	case GORT_timerWhen_when:
	case GORT_timeTimer_SIZEOF:
	case GORT_timeTimer_timer:
	case GORT_timeTimer_init:
		return minor < 23;
	case GORT_timer_isFake:
	case GORT_g_syncGroup:
	case GORT_labelMap_list:
	case GORT_specialCleanup_SIZEOF:
	case GORT_specialCleanup_fn:
	case GORT_syncMap_root:
		return minor < 24;
	case GORT_cleanupBlock_SIZEOF:
	case GORT_cleanupBlock_alllink:
	case GORT_cleanupBlock_n:
	case GORT_cleanupBlock_cleanups:
	case GORT_cleanupQueue_all:
	case GORT_cleanupQueue_queued:
	case GORT_cleanupQueue_executed:
		return minor < 25;
	case GORT_specialCleanup_arg:
	case GORT_cleanupFn_SIZEOF:
	case GORT_cleanupFn_fn:
	case GORT_cleanupFn_arg:
		return minor < 26;
	case GORT_schedt_gFree_n:
		return minor >= 25;
	case GORT_schedt_gFree_stack:
	case GORT_schedt_gFree_noStack:
		return minor < 25;
	case GORT_moduledata_typelinks:
	case GORT_moduledata_itablinks:
		return minor >= 27;
	case GORT_moduledata_typedesclen:
	case GORT_moduledata_itaboffset:
	case GORT_moduledata_itabsize:
		return minor < 27;
	default:
		return false;
	}
}

static void every_row_has_every_field_of_its_version(void **state)
{
	(void)state;
	for (unsigned i = 0; i < gort_layouts_count; i++) {
		const struct gort_layout *l = &gort_layouts[i];
		for (int f = 0; f < GORT_FIELD_MAX_; f++) {
			if (gort_has(l, (enum gort_field)f) == may_lack(l, (enum gort_field)f))
				fail_msg("go1.%d%s: field %d", l->minor, l->experiment, f);
			if (gort_has(l, (enum gort_field)f))
				assert_true(l->f[f].size > 0 && l->f[f].off >= 0);
		}
	}
}

/* A few that moved, from the runtime's sources. */
static void fields_are_where_the_runtime_has_them(void **state)
{
	(void)state;
	assert_at(19, "", GORT_mspan_state, 99, 1);
	assert_at(21, "", GORT_mspan_state, 107, 1);
	assert_at(22, "", GORT_mspan_nelems, 50, 2);
	assert_at(27, "", GORT_mspan_nelems, 50, 2);
	assert_at(19, "", GORT_heapArena_spans, 2097152, 65536);
	assert_at(22, "", GORT_heapArena_spans, 0, 65536);
	assert_at(22, "noallocheaders", GORT_heapArena_spans, 1064960, 65536);
	assert_at(24, "", GORT_g_goid, 160, 8);
	assert_at(25, "", GORT_g_goid, 152, 8);
	assert_at(26, "", GORT_memRecord_SIZEOF, 0, 128);
	assert_at(27, "", GORT_memRecord_SIZEOF, 0, 64);
	assert_at(19, "", GORT__func_nameOff, 4, 4); /* nameoff there */
	assert_at(19, "", GORT__func_nfuncdata, 39, 1);
	assert_at(21, "", GORT__func_nfuncdata, 43, 1);
	assert_at(25, "", GORT_schedt_lock, 32, 8);
	assert_at(27, "", GORT_moduledata_SIZEOF, 0, 568);
}

static void size_classes_grow(void **state)
{
	(void)state;
	assert_int_equal(gort_class_sizes[0], 0);
	assert_int_equal(gort_class_sizes[GORT_SIZE_CLASSES - 1], 32768);
	for (int i = 1; i < GORT_SIZE_CLASSES; i++)
		assert_true(gort_class_sizes[i] > gort_class_sizes[i - 1]);
}

static void fields_are_loaded_by_their_size(void **state)
{
	(void)state;
	const struct gort_layout *l = row(22, "");
	unsigned char rec[256] = { 0 };
	rec[50] = 0x34; /* nelems, two bytes */
	rec[51] = 0x12;
	rec[99] = 2; /* state, one */
	memcpy(rec + 24, "\1\2\3\4\5\6\7\x80", 8);
	assert_int_equal(gort_load(l, rec, sizeof(rec), GORT_mspan_nelems), 0x1234);
	assert_int_equal(gort_load(l, rec, sizeof(rec), GORT_mspan_state), 2);
	assert_true(gort_load(l, rec, sizeof(rec), GORT_mspan_startAddr) == UINT64_C(0x8007060504030201));
	assert_int_equal(gort_at(l, 1000, GORT_mspan_nelems), 1050);
}

static void what_is_not_in_the_record_is_zero(void **state)
{
	(void)state;
	const struct gort_layout *l = row(22, "");
	unsigned char rec[52];
	memset(rec, 0xff, sizeof(rec));
	assert_int_equal(gort_load(l, rec, 52, GORT_mspan_nelems), 0xffff);
	assert_int_equal(gort_load(l, rec, 51, GORT_mspan_nelems), 0);
	assert_int_equal(gort_load(l, rec, 50, GORT_mspan_nelems), 0);
	assert_int_equal(gort_load(l, rec, 0, GORT_mspan_nelems), 0);
	assert_int_equal(gort_load(l, rec, 52, GORT_mheap_heapArenas), 0); /* 1.22 has none */
	assert_int_equal(gort_load(l, rec, 52, GORT_mheap_SIZEOF), 0);	   /* no number */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_has_a_row),
		cmocka_unit_test(every_row_has_every_field_of_its_version),
		cmocka_unit_test(fields_are_where_the_runtime_has_them),
		cmocka_unit_test(size_classes_grow),
		cmocka_unit_test(fields_are_loaded_by_their_size),
		cmocka_unit_test(what_is_not_in_the_record_is_zero),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
