/* SPDX-License-Identifier: Apache-2.0 */
#include "config/check.h"

#include <stdio.h>
#include <string.h>

#include "config/rows.h"
#include "config/value.h"

enum { TEXT_LEN = 240 };

/* A row of a list, its node, and where that is. */
struct place {
	struct config_problems *problems;
	const struct yaml *map;
	const char *path;
};

static const struct yaml *get(const struct yaml *map, const char *key)
{
	for (const struct yaml_item *i = map && map->kind == YAML_MAP ? map->items : NULL; i; i = i->next) {
		if (strcmp(i->key->text, key) == 0)
			return i->value;
	}
	return NULL;
}

static struct place row_of(const struct place *of, const char *list, size_t i)
{
	const char *path = arena_printf(&of->problems->arena, "%s%s%s[%zu]", of->path, of->path[0] ? "." : "", list, i);
	const struct yaml *rows = get(of->map, list);
	const struct yaml_item *item = rows && rows->kind == YAML_LIST ? rows->items : NULL;
	for (size_t k = 0; item && k < i; k++)
		item = item->next;
	return (struct place){ of->problems, item ? item->value : NULL, path };
}

/* At the key, or at the row where it is missing. Nothing where the key has its own problem already. */
static void say(const struct place *p, const char *key, bool warning, const char *text)
{
	const struct yaml *value = get(p->map, key), *at = value ? value : p->map;
	if (!at || (value && problems_at(p->problems, value)))
		return;
	problems_add(p->problems, at, warning,
		     arena_printf(&p->problems->arena, "%s%s%s", p->path, p->path[0] ? "." : "", key), text);
}

/* a must be below b. */
static void below(const struct place *p, const char *a, double va, const char *b, double vb)
{
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	if (va < vb || (get(p->map, b) && problems_at(p->problems, get(p->map, b))))
		return;
	value_put_share(va, &text);
	strbuf_printf(&text, " is not below %s, which is ", b);
	value_put_share(vb, &text);
	say(p, a, false, text.buf);
}

static void check_steps(const struct place *root, const struct config *c)
{
	const struct place sampling = { root->problems, get(root->map, "sampling"), "sampling" };
	for (unsigned i = 0; i < c->n_steps; i++) {
		struct place p = row_of(&sampling, "steps", i);
		if (!get(p.map, "below"))
			say(&p, "below", false, "up to which share of the limit?");
		else if (i && c->steps[i].below <= c->steps[i - 1].below)
			say(&p, "below", false, "the shares of the steps must rise");
		else if (i + 1 == c->n_steps && c->steps[i].below < 1)
			say(&p, "below", false, "the last step must reach to 100%");
	}
	if (!c->n_steps)
		say(&sampling, "steps", false, "at least one step is needed");
}

/* What each kind of action needs, and which keys mean something to it. */
static const struct {
	const char *needs;
	const char *keys[3];
} kinds[ACTION_KINDS] = {
	[ACTION_WEBHOOK] = { "url", { "url", "token_file" } },
	[ACTION_ALERTMANAGER] = { "url", { "url", "token_file" } },
	[ACTION_FILE] = { "path", { "path" } },
	[ACTION_COMMAND] = { "argv", { "argv" } },
};

static const char *const own_keys[] = { "url", "path", "argv", "token_file" };

static bool means(enum config_action_kind kind, const char *key)
{
	for (size_t i = 0; i < 3 && kinds[kind].keys[i]; i++) {
		if (strcmp(kinds[kind].keys[i], key) == 0)
			return true;
	}
	return false;
}

static bool given(const struct yaml *value)
{
	return value && !value->null && (value->kind != YAML_LIST || value->items);
}

static void check_keys(const struct place *p, const struct config_action *a)
{
	char text[TEXT_LEN];
	if (!given(get(p->map, kinds[a->kind].needs))) {
		snprintf(text, sizeof(text), "%s needs it", config_action_kinds[a->kind]);
		say(p, kinds[a->kind].needs, false, text);
	}
	for (size_t i = 0; i < sizeof(own_keys) / sizeof(own_keys[0]); i++) {
		if (!given(get(p->map, own_keys[i])) || means(a->kind, own_keys[i]))
			continue;
		snprintf(text, sizeof(text), "has no effect on %s", config_action_kinds[a->kind]);
		say(p, own_keys[i], true, text);
	}
}

static void finish_action(const struct place *p, struct config *c, const struct config_policy *policy, size_t i)
{
	struct config_action *a = &policy->actions.v[i];
	if (!a->name)
		a->name = arena_printf(&c->arena, "%s-%zu", policy->name, i + 1);
	if (a->kind == ACTION_KINDS) {
		say(p, "kind", false, "one of webhook, alertmanager, file, command is needed");
		return;
	}
	if (a->kind == ACTION_COMMAND && !get(p->map, "dry_run"))
		a->dry_run = true;
	if (a->kind == ACTION_COMMAND && a->argv.n && a->argv.v[0][0] != '/')
		say(p, "argv", false, "the program's path must be absolute");
	check_keys(p, a);
}

static bool action_name_taken(const struct config *c, size_t policy, size_t action)
{
	const char *name = c->policies.v[policy].actions.v[action].name;
	for (size_t i = 0; i <= policy; i++) {
		size_t n = i == policy ? action : c->policies.v[i].actions.n;
		for (size_t k = 0; k < n; k++) {
			if (strcmp(c->policies.v[i].actions.v[k].name, name) == 0)
				return true;
		}
	}
	return false;
}

static bool policy_name_taken(const struct config *c, size_t policy)
{
	for (size_t i = 0; i < policy; i++) {
		if (strcmp(c->policies.v[i].name, c->policies.v[policy].name) == 0)
			return true;
	}
	return false;
}

static bool matches_all(const struct config_match *m)
{
	return !m->name && !m->cgroup && !m->unit && !m->container && !m->exe && !m->go_only;
}

static void check_policy(const struct place *root, struct config *c, size_t i)
{
	struct config_policy *policy = &c->policies.v[i];
	struct place p = row_of(root, "policies", i);
	if (policy_name_taken(c, i))
		say(&p, "name", false, "another policy has this name");
	below(&p, "close", policy->close, "open", policy->open);
	below(&p, "warn", policy->warn, "open", policy->open);
	for (size_t k = 0; k < policy->actions.n; k++) {
		struct place a = row_of(&p, "actions", k);
		finish_action(&a, c, policy, k);
		if (action_name_taken(c, i, k))
			say(&a, "name", false, "another action has this name");
	}
	if (i + 1 < c->policies.n && matches_all(&policy->match))
		say(&p, "match", true, "matches every process, so that no policy below it ever holds");
}

static void check_profiles(const struct place *root, const struct config *c)
{
	for (size_t i = 0; i < c->profiles.n; i++) {
		struct place p = row_of(root, "profiles", i);
		if (!c->profiles.v[i].heap && !c->profiles.v[i].goroutines)
			say(&p, "heap", true, "neither heap nor goroutines is wanted");
		if (!c->profiles.v[i].match.go_only)
			say(&p, "match", true, "only Go processes have profiles");
	}
}

/* Targets for which no policy was written. */
static void add_last_policy(struct config *c)
{
	if (c->policies.n && matches_all(&c->policies.v[c->policies.n - 1].match))
		return;
	struct config_policy *last = vec_push(&c->policies);
	*last = config_policy_default;
	if (policy_name_taken(c, c->policies.n - 1))
		last->name = "all-others";
}

void check(const struct yaml *root, struct config *c, struct config_problems *problems)
{
	const struct place top = { problems, root, "" };
	check_steps(&top, c);
	for (size_t i = 0; get(root, "policies") && i < c->policies.n; i++)
		check_policy(&top, c, i);
	check_profiles(&top, c);
	add_last_policy(c);
}
