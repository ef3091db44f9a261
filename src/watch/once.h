/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* watch/once - `--once`. */

#include "watch/daemon.h"

MUST_CHECK struct err *watch_once(struct daemon *d);
