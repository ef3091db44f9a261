/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * config/wrong - texts of a form that can be checked without looking at the machine.
 *
 * Each gives NULL for a good text, else a static sentence: what is wrong, and how it would be right.
 */

const char *wrong_url(const char *text);
const char *wrong_path(const char *text);
const char *wrong_listen(const char *text);
