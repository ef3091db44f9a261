/* SPDX-License-Identifier: Apache-2.0 */
#include "config/rows.h"

#include <math.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static const uint64_t MIB = 1 << 20, DAY = UINT64_C(86400) * SECOND;

const char *const config_action_kinds[] = { "webhook", "alertmanager", "file", "command", NULL };

const struct config_match config_match_default = { .go_only = true };
const struct config_step config_step_default = { .below = 1, .interval_ms = SECOND };
const struct config_action config_action_default = { .kind = ACTION_KINDS, .timeout_ms = 5 * SECOND, .retries = 5 };
const struct config_signal config_signal_default = { .threshold = NAN };
const struct config_profile config_profile_default = {
	.match = { .go_only = true },
	.heap = true,
	.interval_ms = 10 * MINUTE,
};

/* Of the shares: a service that runs at .80 is well used; at .92 what is left goes within seconds under load. */
const struct config_policy config_policy_default = {
	.name = "default",
	.mode = CONFIG_CANARY,
	.warn = .85,
	.open = .92,
	.close = .80,
	.close_after_ms = 30 * SECOND,
	.cooldown_ms = 2 * MINUTE,
};

static const struct config_step steps[] = {
	{ .below = .70, .interval_ms = SECOND },
	{ .below = .90, .interval_ms = 200 },
	{ .below = 1, .interval_ms = 50, .snapshot = true },
};

void config_defaults(struct config *ret)
{
	*ret = (struct config){
		.listen = "127.0.0.1:9723",
		.n_steps = sizeof(steps) / sizeof(steps[0]),
		.open_interval_ms = 100,
		.discover_ms = SECOND,
		.go_ms = SECOND,
		.slow_ms = 15 * SECOND,
		.map_ms = 5 * MINUTE,
		.z_alarm = 3.5,
		.horizon_ms = 10 * MINUTE,
		.retain_bytes = 1024 * MIB,
		.retain_ms = 14 * DAY,
		.snapshot_bytes = 64 * MIB,
		.snapshot_ms = 20 * SECOND,
		.targets_max = 4096,
		.metrics_max = 20000,
	};
	arena_init(&ret->arena);
	memcpy(ret->steps, steps, sizeof(steps));
	*vec_push(&ret->policies) = config_policy_default;
}

void config_deinit(struct config *c)
{
	for (size_t i = 0; i < c->policies.n; i++) {
		for (size_t k = 0; k < c->policies.v[i].actions.n; k++)
			vec_deinit(&c->policies.v[i].actions.v[k].argv);
		vec_deinit(&c->policies.v[i].actions);
	}
	vec_deinit(&c->targets);
	vec_deinit(&c->policies);
	vec_deinit(&c->profiles);
	vec_deinit(&c->signals);
	arena_deinit(&c->arena);
}
