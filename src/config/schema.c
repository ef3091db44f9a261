/* SPDX-License-Identifier: Apache-2.0 */
#include "config/schema.h"

#include <string.h>

#include "config/rows.h"
#include "config/wrong.h"
#include "model/signal.h"

enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE, DAY = 24 * HOUR, MIB = 1 << 20, ROWS_MAX = 256 };

#define BYTES_MAX 0x1p62 /* 4 EiB */
#define AT(type, member) .offset = offsetof(struct type, member)
#define RANGE(a, b) .least = (a), .most = (b)

static const char *const modes[] = { "canary", "act", NULL };
static const char *const logs[] = { "text", "json", NULL };

/* clang-format off: a line each */
#define MATCH_KEYS                                                                                                     \
	{ "name", KEY_TEXT, AT(config_match, name), .nullable = true,                                                  \
	  .about = "command name (comm), a shell pattern such as api-*" },                                             \
		{ "cgroup", KEY_TEXT, AT(config_match, cgroup), .nullable = true,                                      \
		  .about = "path of its memory cgroup, a pattern; * matches / as well" },                              \
		{ "unit", KEY_TEXT, AT(config_match, unit), .nullable = true,                                          \
		  .about = "systemd unit, a pattern such as shop-*.service" },                                         \
		{ "container", KEY_TEXT, AT(config_match, container), .nullable = true,                                \
		  .about = "container id, a pattern such as 3f2a*" },                                                  \
		{ "exe", KEY_TEXT, AT(config_match, exe), .nullable = true,                                            \
		  .about = "path of the executable, a pattern" },                                                      \
	{                                                                                                              \
		"go_only", KEY_BOOL, AT(config_match, go_only), .about = "Go processes only; false: any"               \
	}

static const struct key match_keys[] = {
	MATCH_KEYS,
	{ 0 },
};

static const struct key target_keys[] = {
	MATCH_KEYS,
	{ "exclude", KEY_BOOL, AT(config_match, exclude),
	  .about = "what matches is not watched; rows are tried in order" },
	{ 0 },
};
static const struct rows targets = { target_keys, sizeof(struct config_match), &config_match_default,
				     .most = ROWS_MAX };

static const struct key step_keys[] = {
	{ "below", KEY_SHARE, AT(config_step, below), RANGE(.01, 1),
	  .about = "up to this share of the limit; shares rise, the last is 100%" },
	{ "interval", KEY_MS, AT(config_step, interval_ms), RANGE(10, HOUR), .about = "... one look in so long" },
	{ "snapshot", KEY_BOOL, AT(config_step, snapshot),
	  .about = "a full snapshot when this step is reached, once per episode" },
	{ 0 },
};
static const struct rows steps = { step_keys,
				   sizeof(struct config_step),
				   &config_step_default,
				   .most = CONFIG_STEPS,
				   .is_array = true,
				   .count = offsetof(struct config, n_steps) };

static const struct key sampling_keys[] = {
	{ "steps", KEY_LIST, AT(config, steps), .rows = &steps,
	  .about = "how often to look, by the share of the limit that is in use" },
	{ "open_interval", KEY_MS, AT(config, open_interval_ms), RANGE(10, MINUTE),
	  .about = "at most so long between two looks while a breaker is open" },
	{ "discover", KEY_MS, AT(config, discover_ms), RANGE(100, HOUR),
	  .about = "between two looks for new processes" },
	{ "go", KEY_MS, AT(config, go_ms), RANGE(50, HOUR),
	  .about = "between two reads of Go's figures (collections, heap, goroutines); of who does nothing, five times "
		   "that" },
	{ "slow", KEY_MS, AT(config, slow_ms), RANGE(SECOND, HOUR),
	  .about = "between two counts of descriptors, threads and swap" },
	{ "map", KEY_MS, AT(config, map_ms), RANGE(0, 7.0 * DAY),
	  .about = "at least so long between two full accounts of a Go process (`ullage map`); 0: never" },
	{ 0 },
};

static const struct key action_keys[] = {
	{ "kind", KEY_CHOICE, AT(config_action, kind), .choices = config_action_kinds,
	  .about = "webhook, alertmanager, file or command" },
	{ "name", KEY_TEXT, AT(config_action, name), .nullable = true,
	  .about = "in logs and metrics; without one it is POLICY-NUMBER" },
	{ "url", KEY_TEXT, AT(config_action, url), .nullable = true, .wrong = wrong_url,
	  .about = "webhook, alertmanager: where it is posted to" },
	{ "path", KEY_TEXT, AT(config_action, path), .nullable = true, .wrong = wrong_path,
	  .about = "file: a JSON object is appended to it, one a line" },
	{ "argv", KEY_WORDS, AT(config_action, argv),
	  .about = "command: [program, arguments...]; no shell; the event comes on its standard input" },
	{ "token_file", KEY_TEXT, AT(config_action, token_file), .nullable = true, .wrong = wrong_path,
	  .about = "webhook, alertmanager: a file whose content is sent as bearer token" },
	{ "timeout", KEY_MS, AT(config_action, timeout_ms), RANGE(100, 10 * MINUTE), .about = "of each try" },
	{ "retries", KEY_COUNT, AT(config_action, retries), RANGE(0, 100),
	  .about = "further tries after a failure, with growing pauses" },
	{ "dry_run", KEY_BOOL, AT(config_action, dry_run),
	  .about = "only report what would be done; a command's default is true" },
	{ 0 },
};
static const struct rows actions = { action_keys, sizeof(struct config_action), &config_action_default, .most = 16 };

static const struct key policy_keys[] = {
	{ "name", KEY_TEXT, AT(config_policy, name), .about = "in logs, metrics and alerts" },
	{ "match", KEY_GROUP, AT(config_policy, match), .keys = match_keys,
	  .about = "whom it is for: all that is named must match; the first policy that matches holds" },
	{ "mode", KEY_CHOICE, AT(config_policy, mode), .choices = modes,
	  .about = "canary: only report what would be done; act: do it" },
	{ "warn", KEY_SHARE, AT(config_policy, warn), RANGE(.01, 1),
	  .about = "a warning from this share of the limit on (working set: page cache does not count)" },
	{ "open", KEY_SHARE, AT(config_policy, open), RANGE(.01, 1),
	  .about = "the breaker opens at this share: /health/TARGET answers 503, actions run" },
	{ "close", KEY_SHARE, AT(config_policy, close), RANGE(.01, 1),
	  .about = "... and closes when the share stays below this one" },
	{ "close_after", KEY_MS, AT(config_policy, close_after_ms), RANGE(0, DAY), .about = "... for so long" },
	{ "cooldown", KEY_MS, AT(config_policy, cooldown_ms), RANGE(0, DAY),
	  .about = "after it closed it does not open again for so long" },
	{ "limit", KEY_BYTES, AT(config_policy, limit), RANGE(0, BYTES_MAX),
	  .about = "measure against so many bytes instead of the cgroup's limit; 0: the one that binds" },
	{ "actions", KEY_LIST, AT(config_policy, actions), .rows = &actions,
	  .about = "what to do when the breaker opens and closes, in this order" },
	{ 0 },
};
static const struct rows policies = { policy_keys, sizeof(struct config_policy), &config_policy_default,
				      .most = ROWS_MAX };

static const struct key profile_keys[] = {
	{ "match", KEY_GROUP, AT(config_profile, match), .keys = match_keys, .about = "of whom" },
	{ "heap", KEY_BOOL, AT(config_profile, heap), .about = "the heap profile that the runtime keeps" },
	{ "goroutines", KEY_BOOL, AT(config_profile, goroutines), .about = "the stacks of all goroutines" },
	{ "interval", KEY_MS, AT(config_profile, interval_ms), RANGE(10 * SECOND, 7.0 * DAY),
	  .about = "one in so long" },
	{ 0 },
};
static const struct rows profiles = { profile_keys, sizeof(struct config_profile), &config_profile_default,
				      .most = ROWS_MAX };

static const struct key signal_keys[] = {
	{ "threshold", KEY_THRESHOLD, AT(config_signal, threshold), .nullable = true, RANGE(0, BYTES_MAX),
	  .about = "in the signal's unit: a share as 85%, a duration as 20ms, a size as 1GiB, times or a count as 3" },
	{ "window", KEY_MS, AT(config_signal, window_ms), RANGE(0, DAY), .about = "over so long; 0: as it is" },
	{ "off", KEY_BOOL, AT(config_signal, off), .about = "never raise it" },
	{ 0 },
};
static const struct rows signals = { signal_keys, sizeof(struct config_signal), &config_signal_default,
				     .most = SIGNALS };

static const struct key forecast_keys[] = {
	{ "z_alarm", KEY_NUMBER, AT(config, z_alarm), RANGE(1, 100),
	  .about = "how many deviations from the usual growth is unusual" },
	{ "horizon", KEY_MS, AT(config, horizon_ms), RANGE(10 * SECOND, 7.0 * DAY),
	  .about = "warn of a limit that will be reached within so long" },
	{ 0 },
};

static const struct key storage_keys[] = {
	{ "size", KEY_BYTES, AT(config, retain_bytes), RANGE(16.0 * MIB, BYTES_MAX),
	  .about = "of the data directory at most; the oldest samples go first" },
	{ "age", KEY_LONG_MS, AT(config, retain_ms), RANGE(HOUR, 3650.0 * DAY), .about = "nothing older is kept" },
	{ "snapshot_size", KEY_BYTES, AT(config, snapshot_bytes), RANGE(1.0 * MIB, 64.0 * 1024 * MIB),
	  .about = "a snapshot's budget of bytes" },
	{ "snapshot_time", KEY_MS, AT(config, snapshot_ms), RANGE(SECOND, HOUR), .about = "... and of time" },
	{ "arguments", KEY_BOOL, AT(config, store_arguments), .about = "keep command lines, which may hold secrets" },
	{ 0 },
};

static const struct key kernel_keys[] = {
	{ "bpf", KEY_BOOL, AT(config, bpf),
	  .about = "be told of each OOM victim by BPF (needs CAP_BPF and CAP_PERFMON)" },
	{ "log", KEY_BOOL, AT(config, kernel_log),
	  .about = "read of OOM kills in the kernel's log (needs CAP_SYSLOG)" },
	{ 0 },
};

static const struct key ceiling_keys[] = {
	{ "targets", KEY_COUNT, AT(config, targets_max), RANGE(1, 100000), .about = "processes watched at once" },
	{ "series", KEY_COUNT, AT(config, metrics_max), RANGE(100, 1000000), .about = "series of targets in /metrics" },
	{ 0 },
};

const struct key schema[] = {
	{ "listen", KEY_TEXT, AT(config, listen), .wrong = wrong_listen,
	  .about = "a loopback ADDRESS:PORT, or unix:/PATH of a socket" },
	{ "data", KEY_TEXT, AT(config, data), .nullable = true, .wrong = wrong_path,
	  .about = "directory of the records; null: the state directory" },
	{ "log", KEY_CHOICE_TEXT, AT(config, log), .nullable = true, .choices = logs,
	  .about = "text or json; null: text, with levels where the journal reads it" },
	{ "targets", KEY_LIST, AT(config, targets), .rows = &targets,
	  .about = "whom to watch, the first row that matches decides; none: every Go process" },
	{ "sampling", KEY_GROUP, .keys = sampling_keys, .about = "how often to look" },
	{ "policies", KEY_LIST, AT(config, policies), .rows = &policies,
	  .about = "what holds for which target; a last one for all others is added" },
	{ "signals", KEY_NAMED, AT(config, signals), .rows = &signals, .choices = signal_names,
	  .about = "other thresholds of signals, by name: see docs/signals.md" },
	{ "forecast", KEY_GROUP, .keys = forecast_keys, .about = "when the limit will be reached" },
	{ "profiles", KEY_LIST, AT(config, profiles), .rows = &profiles,
	  .about = "profiles to keep now and then, as pprof files" },
	{ "storage", KEY_GROUP, .keys = storage_keys, .about = "the records on disk" },
	{ "kernel", KEY_GROUP, .keys = kernel_keys, .about = "sources that need more rights" },
	{ "ceilings", KEY_GROUP, .keys = ceiling_keys, .about = "bounds of the daemon itself" },
	{ 0 },
};
/* clang-format on */

size_t schema_count(const struct key *key, const void *holder)
{
	if (key->rows->is_array)
		return *(const unsigned *)((const char *)holder + key->rows->count);
	return ((const struct schema_vec *)((const char *)holder + key->offset))->n;
}

const void *schema_at(const struct key *key, const void *holder, size_t i)
{
	const char *member = (const char *)holder + key->offset;
	return (key->rows->is_array ? member : ((const struct schema_vec *)member)->v) + i * key->rows->size;
}

static char *push_vec(struct schema_vec *vec, size_t size)
{
	if (vec->n == vec->cap) {
		vec->cap = vec->cap ? vec->cap * 2 : 4;
		vec->v = xrealloc(vec->v, vec->cap * size);
	}
	return vec->v + vec->n++ * size;
}

void *schema_push(const struct key *key, void *holder)
{
	const struct rows *rows = key->rows;
	char *member = (char *)holder + key->offset;
	unsigned *count = (unsigned *)((char *)holder + rows->count);
	void *row =
		rows->is_array ? member + (*count)++ * rows->size : push_vec((struct schema_vec *)member, rows->size);
	memcpy(row, rows->start, rows->size);
	return row;
}

void schema_clear(const struct key *key, void *holder)
{
	if (key->rows->is_array)
		*(unsigned *)((char *)holder + key->rows->count) = 0;
	else
		((struct schema_vec *)((char *)holder + key->offset))->n = 0;
}
