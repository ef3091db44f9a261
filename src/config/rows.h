/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/rows - what a row of each list is before its keys are read.
 */

#include "config/config.h"

extern const struct config_match config_match_default;
extern const struct config_step config_step_default;
extern const struct config_action config_action_default;
extern const struct config_policy config_policy_default;
extern const struct config_profile config_profile_default;
extern const struct config_signal config_signal_default;
