/* SPDX-License-Identifier: Apache-2.0 */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "proc/cgroup.h"
#include "sense/names.h"
#include "sense/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void names(const char *text, size_t size)
{
	struct arena arena;
	arena_init(&arena);
	const char *path = arena_strndup(&arena, text, size);
	const char *unit = sense_unit_of(path, &arena), *id = sense_container_of(path, &arena);
	assert(!unit || (strstr(path, unit) && !strchr(unit, '/')));
	assert(!id || (strstr(path, id) && !strchr(id, '/')));
	arena_deinit(&arena);
}

/* What the kernel shows to a watch: small files of procfs and cgroups, its log, paths of cgroups. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct sense_statm statm;
	struct sense_pressure psi;
	struct sense_oom_line line;
	struct cgroup_stat stat;
	uint64_t pid = 0;
	(void)sense_text_number(text, size);
	(void)sense_text_key(text, size, "oom_kill");
	if (sense_text_statm(text, size, &statm))
		assert(statm.size != SENSE_UNKNOWN && statm.resident != SENSE_UNKNOWN);
	sense_text_pressure(text, size, &psi);
	assert(!(psi.some > 1.01) && !(psi.full > 1.01) && !(psi.some < 0));
	(void)sense_text_last_pid(text, size, &pid);
	if (sense_text_oom(text, size, &line))
		assert(line.pid > 0 && strnlen(line.comm, sizeof(line.comm)) < sizeof(line.comm) &&
		       strnlen(line.limit_path, sizeof(line.limit_path)) < sizeof(line.limit_path) &&
		       strnlen(line.task_path, sizeof(line.task_path)) < sizeof(line.task_path));
	for (unsigned version = 1; version <= 2; version++)
		proc_cgroup_stat_text(text, size, version, &stat);
	names(text, size);
	return 0;
}
