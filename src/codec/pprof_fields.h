/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * codec/pprof_fields - what reader and writer of codec/pprof share: the field numbers of profile.proto.
 */

#include <inttypes.h>
#include <stdint.h>
#include <stdio.h>

enum pprof_profile_field {
	PROFILE_SAMPLE_TYPE = 1,
	PROFILE_SAMPLE,
	PROFILE_MAPPING,
	PROFILE_LOCATION,
	PROFILE_FUNCTION,
	PROFILE_STRING,
	PROFILE_TIME = 9,
	PROFILE_DURATION,
	PROFILE_PERIOD_TYPE,
	PROFILE_PERIOD,
	PROFILE_COMMENT,
	PROFILE_DEFAULT_TYPE,
};

enum pprof_type_field { TYPE_NAME = 1, TYPE_UNIT };

enum pprof_sample_field { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };

enum pprof_label_field { LABEL_KEY = 1, LABEL_TEXT, LABEL_NUMBER, LABEL_UNIT };

enum pprof_mapping_field {
	MAPPING_ID = 1,
	MAPPING_START,
	MAPPING_LIMIT,
	MAPPING_OFFSET,
	MAPPING_FILE,
	MAPPING_BUILD_ID,
	MAPPING_HAS_FUNCTIONS,
	MAPPING_HAS_FILES,
	MAPPING_HAS_LINES,
	MAPPING_HAS_INLINED,
};

enum pprof_location_field { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };

enum pprof_line_field { LINE_FUNCTION = 1, LINE_LINE };

enum pprof_function_field { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };

/* The name of a function of which only the address is known: "0x4a3f10". Returns buf. */
enum { PPROF_ADDRESS_LEN = 24 };

static inline char *pprof_address(uint64_t addr, char buf[PPROF_ADDRESS_LEN])
{
	snprintf(buf, PPROF_ADDRESS_LEN, "0x%" PRIx64, addr);
	return buf;
}
