/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

int wait_here(int fd);
int wait_below(int fd);
int scratch_wait(int fd);
int sort_wait(int fd);
int cxx_wait(int fd);
int call_go(int fd, int depth);
void start_threads(int fd);

#ifdef __cplusplus
}
#endif
