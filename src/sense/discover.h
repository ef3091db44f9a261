/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* sense/discover - which processes there are, and which of them are watched: the other half of sense/sense. */

#include "sense/parts.h"

/* A target's pid is nobody's from now on. */
void sense_forget_pid(struct sense *s, int pid);
/* What look.c knows of the machine, asked anew. */
void sense_machine(struct sense *s, int64_t now_ns);
/* Sentences that waited for a call. */
void sense_notes_flush(struct sense *s, const struct sense_calls *calls);
/* Ends those whose end was seen. */
void sense_end_ended(struct sense *s, const struct sense_calls *calls);
