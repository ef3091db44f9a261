/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "act/actor.h"
#include "act/append.h"
#include "base/alloc.h"

enum { REHEARSE_CONNECT_MS = 3000 };

static void problem(struct rehearsal *r, const struct link *l, const char *text)
{
	AUTO_FREE char *sentence = xasprintf("policy %s, action %s: %s", l->policy, l->action.name, text);
	frame_str(&r->problems, l->action.name);
	frame_str(&r->problems, sentence);
	r->n_problems++;
}

/* Answers when nothing is waited for any more. */
static void finish(struct actor *a, struct rehearsal *r)
{
	if (r->waiting > 0)
		return;
	size_t at = frame_begin(&a->out, FRAME_REHEARSED);
	frame_u32(&a->out, r->number);
	frame_u32(&a->out, r->n_problems);
	strbuf_add(&a->out, r->problems.buf, r->problems.len);
	frame_end(&a->out, at);
	strbuf_deinit(&r->problems);
	free(r);
}

void rehearse_connected(struct actor *a, const struct job *j, const char *what)
{
	if (what)
		problem(j->rehearsal, j->link, what);
	j->rehearsal->waiting--;
	finish(a, j->rehearsal);
}

static struct err *try_link(struct actor *a, struct rehearsal *r, struct link *l)
{
	const struct config_action *action = &l->action;
	if (action->kind == ACTION_FILE)
		return append_rehearse(action->path);
	if (action->kind == ACTION_COMMAND)
		return command_rehearse(&action->argv);
	char token[ACTOR_TOKEN_MAX];
	if (action->token_file)
		TRY(job_token(action->token_file, token));
	struct job *j = job_new(a, JOB_REHEARSE, l);
	struct http_post post = { .url = action->url, .timeout_ms = REHEARSE_CONNECT_MS, .ctx = j };
	j->rehearsal = r;
	j->running = true;
	r->waiting++;
	l->running++;
	struct err *err = http_posts_add(a->posts, &post);
	if (err) { /* it ends as one that could not connect */
		struct http_posted failed = { .ctx = j };
		snprintf(failed.text, sizeof(failed.text), "%s", err_text(err));
		err_free(err);
		job_posted(a, &failed, 0);
	}
	return NULL;
}

void rehearse_begin(struct actor *a, uint32_t number)
{
	struct rehearsal *r = xcalloc(1, sizeof(*r));
	r->number = number;
	r->waiting = 1; /* this function */
	strbuf_init(&r->problems);
	for (size_t i = 0; a->chains && i < a->chains->v.n; i++) {
		struct chain *c = &a->chains->v.v[i];
		for (size_t k = 0; k < c->links.n; k++) {
			struct link *l = &c->links.v[k];
			struct err *err AUTO(err) = l->action.dry_run ? NULL : try_link(a, r, l);
			if (err)
				problem(r, l, err_text(err));
		}
	}
	r->waiting--;
	finish(a, r);
}
