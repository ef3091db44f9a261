/* SPDX-License-Identifier: Apache-2.0 */
#include "act/chain.h"

#include <string.h>

#include "act/frame.h"
#include "base/alloc.h"

static struct err *write_link(const struct config_action *a, struct strbuf *out)
{
	if (a->argv.n > CHAIN_ARGS)
		return err_new(ERR_LIMIT, "action %s: a command may have at most %d arguments", a->name, CHAIN_ARGS);
	frame_u8(out, a->kind);
	frame_str(out, a->name);
	frame_str(out, a->url);
	frame_str(out, a->path);
	frame_str(out, a->token_file);
	frame_u32(out, a->timeout_ms);
	frame_u32(out, a->retries);
	frame_u8(out, a->dry_run);
	frame_u32(out, (uint32_t)a->argv.n);
	for (size_t i = 0; i < a->argv.n; i++)
		frame_str(out, a->argv.v[i]);
	return NULL;
}

struct err *chains_write(const struct config *c, struct strbuf *out)
{
	size_t at = frame_begin(out, FRAME_CHAINS);
	if (c->policies.n > CHAIN_POLICIES)
		return err_new(ERR_LIMIT, "there may be at most %d policies", CHAIN_POLICIES);
	frame_u32(out, (uint32_t)c->policies.n);
	for (size_t i = 0; i < c->policies.n; i++) {
		const struct config_policy *p = &c->policies.v[i];
		if (p->actions.n > CHAIN_LINKS)
			return err_new(ERR_LIMIT, "policy %s: a chain may have at most %d actions", p->name,
				       CHAIN_LINKS);
		frame_str(out, p->name);
		frame_u32(out, (uint32_t)p->actions.n);
		for (size_t k = 0; k < p->actions.n; k++)
			TRY(write_link(&p->actions.v[k], out));
	}
	frame_end(out, at);
	if (out->len - at > FRAME_MAX)
		return err_new(ERR_LIMIT, "the policies have more than %d bytes of text", FRAME_MAX);
	return NULL;
}

/* ---- reading ---- */

static void read_link(struct cursor *f, const char *policy, struct link *l)
{
	struct config_action *a = &l->action;
	l->policy = policy;
	uint8_t kind = cursor_u8(f);
	a->kind = (enum config_action_kind)kind;
	a->name = frame_get(f);
	a->url = frame_get(f);
	a->path = frame_get(f);
	a->token_file = frame_get(f);
	a->timeout_ms = cursor_u32(f);
	a->retries = cursor_u32(f);
	a->dry_run = cursor_u8(f);
	uint32_t n = cursor_u32(f);
	bool needs_url = kind == ACTION_WEBHOOK || kind == ACTION_ALERTMANAGER;
	f->bad = f->bad || kind >= ACTION_KINDS || !a->name || n > CHAIN_ARGS || (needs_url && !a->url) ||
		 (kind == ACTION_FILE && !a->path) || (kind == ACTION_COMMAND && n == 0);
	for (uint32_t i = 0; i < n && !f->bad; i++) {
		const char *arg = frame_get(f);
		f->bad = f->bad || !arg;
		*vec_push(&a->argv) = arg;
	}
}

static void read_chain(struct cursor *f, struct chain *c)
{
	c->policy = frame_get(f);
	uint32_t n = cursor_u32(f);
	f->bad = f->bad || !c->policy || n > CHAIN_LINKS;
	for (uint32_t i = 0; i < n && !f->bad; i++)
		read_link(f, c->policy, vec_push(&c->links));
}

struct err *chains_read(const struct cursor *fields, struct chains **ret)
{
	struct chains *c = *ret = xcalloc(1, sizeof(*c));
	size_t len = cursor_left(fields);
	c->refs = 1;
	c->frame = xmalloc(len + 1);
	memcpy(c->frame, fields->p, len);
	struct cursor f;
	cursor_init(&f, c->frame, len);
	uint32_t n = cursor_u32(&f);
	f.bad = f.bad || n > CHAIN_POLICIES;
	for (uint32_t i = 0; i < n && !f.bad; i++)
		read_chain(&f, vec_push(&c->v));
	struct err *err = cursor_check(&f, "a frame of chains");
	if (err)
		chains_unref(take_ptr(*ret));
	return err;
}

void chains_unref(struct chains *c)
{
	if (!c || --c->refs > 0)
		return;
	for (size_t i = 0; i < c->v.n; i++) {
		struct chain *one = &c->v.v[i];
		for (size_t k = 0; k < one->links.n; k++)
			vec_deinit(&one->links.v[k].action.argv);
		vec_deinit(&one->links);
	}
	vec_deinit(&c->v);
	free(c->frame);
	free(c);
}

struct chain *chains_find(const struct chains *c, const char *policy)
{
	for (size_t i = 0; c && i < c->v.n; i++) {
		if (strcmp(c->v.v[i].policy, policy) == 0)
			return &c->v.v[i];
	}
	return NULL;
}

struct link *chain_link(const struct chain *c, const char *name)
{
	for (size_t i = 0; c && i < c->links.n; i++) {
		if (strcmp(c->links.v[i].action.name, name) == 0)
			return &c->links.v[i];
	}
	return NULL;
}
