/* SPDX-License-Identifier: Apache-2.0 */
#include "source/rules.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

#define LEN(a) (sizeof(a) / sizeof((a)[0]))

enum {
	PER_RULE_MAX = 16, /* findings of one rule at one place */
	TEXT_MAX = 40,	   /* bytes of code quoted in a sentence */
};

/* The sentence, then where. A long piece of code is cut. */
ERR_PRINTF(4, 5)
static void say(struct source_look *l, const struct source_rule *rule, uint32_t line, const char *fmt, ...)
{
	char text[256];
	va_list ap;
	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	*vec_push(l->out) =
		(struct source_lack){ rule->name, arena_printf(l->arena, "%s (%s:%u)", text, l->path, l->base + line) };
}

static char *quote(struct source_word w)
{
	size_t n = strnlen(w.s, w.len < TEXT_MAX ? w.len : TEXT_MAX);
	const char *newline = memchr(w.s, '\n', n);
	n = newline ? (size_t)(newline - w.s) : n;
	return xasprintf("%.*s%s", (int)n, w.s, n < w.len ? "..." : "");
}

/* ---- calls ---- */

/* The name after the last dot of what is called: "Open" of os.Open(x); and what stands before it. */
static bool callee(const struct source_tree *t, TSNode call, struct source_word *before, struct source_word *name)
{
	TSNode function = source_field(call, "function");
	*before = (struct source_word){ "", 0 };
	if (!source_type(call, "call_expression"))
		return false;
	if (source_type(function, "selector_expression")) {
		*before = source_text(t, source_field(function, "operand"));
		function = source_field(function, "field");
	}
	*name = source_text(t, function);
	return name->len > 0;
}

static bool word_is(struct source_word w, const char *text)
{
	return source_same(w, (struct source_word){ text, strlen(text) });
}

/* Names that tell of an end: contexts, and channels that are closed to stop somebody. */
static bool tells_of_end(struct source_word w)
{
	static const char *const names[] = { "ctx",    "context", "done", "quit",    "stop",
					     "cancel", "clos",	  "exit", "shutdown" };
	for (size_t i = 0; i + 3 <= w.len; i++) {
		for (size_t k = 0; k < LEN(names); k++) {
			size_t n = strlen(names[k]);
			if (i + n <= w.len && strncasecmp(w.s + i, names[k], n) == 0)
				return true;
		}
	}
	return false;
}

/* Is what is received from something that comes by itself: <-ctx.Done(), <-time.After(d), <-ticker.C, <-quit? */
static bool comes_by_itself(const struct source_tree *t, TSNode from)
{
	struct source_word before, name;
	if (callee(t, from, &before, &name) && (word_is(name, "After") || word_is(name, "Tick")))
		return true;
	if (source_type(from, "selector_expression") && source_is(t, source_field(from, "field"), "C"))
		return true;
	return tells_of_end(source_text(t, from));
}

static TSNode received_from(const struct source_tree *t, TSNode node)
{
	struct source_word w = source_text(t, node);
	bool receive = source_type(node, "unary_expression") && w.len > 2 && memcmp(w.s, "<-", 2) == 0;
	return receive ? source_field(node, "operand") : (TSNode){ 0 };
}

/* Literals inside of a function that do not have the line are other functions. */
static bool another_function(const struct source_look *l, TSNode node)
{
	return source_type(node, "func_literal") && !ts_node_eq(node, l->function) && !source_spans(node, l->line);
}

/* ---- select ---- */

/* Has a select a way out of its own? *at_line: the frame may be blocked in this one. */
static bool has_way_out(const struct source_look *l, TSNode select, bool *at_line)
{
	bool way = false;
	*at_line = source_line(select) == l->line;
	uint32_t n = ts_node_named_child_count(select);
	for (uint32_t i = 0; i < n && i < 1024; i++) {
		TSNode one = ts_node_named_child(select, i), what = source_field(one, "communication");
		way = way || source_type(one, "default_case");
		if (ts_node_is_null(what))
			continue;
		*at_line = *at_line || source_line(what) == l->line;
		TSNode from = received_from(l->tree, source_field(what, "right"));
		way = way || (!ts_node_is_null(from) && comes_by_itself(l->tree, from));
	}
	return way;
}

/* The select that the line is blocked in and that has no way out; a null node for none. */
static TSNode stuck_select(struct source_look *l)
{
	struct source_walk w;
	TSNode found = { 0 };
	for (source_walk_start(&w, l->function); source_walk_on(&w);) {
		bool here = false;
		if (another_function(l, w.node))
			source_walk_over(&w);
		else if (source_type(w.node, "select_statement") && !has_way_out(l, w.node, &here) && here)
			found = w.node;
	}
	return found;
}

static void no_default(struct source_look *l, const struct source_rule *self)
{
	TSNode select = stuck_select(l);
	if (!ts_node_is_null(select))
		say(l, self, source_line(select), "this select has no default and no case of a timer");
}

/* A send or receive of its own: a line of a select's cases is not one. */
static void lone_channel(struct source_look *l, const struct source_rule *self)
{
	struct source_walk w;
	for (source_walk_start(&w, l->function); source_walk_on(&w);) {
		if (another_function(l, w.node)) {
			source_walk_over(&w);
			continue;
		}
		bool in_case = source_type(source_above(&w, 1), "communication_case") &&
			       !source_type(w.node, "expression_statement") &&
			       ts_node_eq(source_field(source_above(&w, 1), "communication"), w.node);
		if (in_case) {
			source_walk_over(&w);
			continue;
		}
		if (source_line(w.node) != l->line)
			continue;
		TSNode from = received_from(l->tree, w.node);
		TSNode to = source_type(w.node, "send_statement") ? source_field(w.node, "channel") : (TSNode){ 0 };
		TSNode channel = ts_node_is_null(from) ? to : from;
		if (ts_node_is_null(channel) || (!ts_node_is_null(from) && comes_by_itself(l->tree, from)))
			continue;
		AUTO_FREE char *name = quote(source_text(l->tree, channel));
		say(l, self, l->line, "the %s %s is outside of a select: no ctx.Done() can end it",
		    ts_node_is_null(from) ? "send to" : "receive from", name);
		source_walk_end(&w);
	}
}

static void no_done(struct source_look *l, const struct source_rule *self)
{
	TSNode select = stuck_select(l);
	if (ts_node_is_null(select))
		lone_channel(l, self);
	else
		say(l, self, source_line(select),
		    "this select has no case of ctx.Done(), and none of a channel that is "
		    "closed to stop it");
}

/* ---- locks ---- */

static const char *const locks[][2] = { { "Lock", "Unlock" }, { "RLock", "RUnlock" } };

/* Is there a deferred call of `method` on `what`, also within a deferred literal? */
static bool is_deferred(const struct source_look *l, struct source_word what, const char *method)
{
	struct source_walk w;
	uint32_t until = 0;
	bool found = false;
	for (source_walk_start(&w, l->function); !found && source_walk_on(&w);) {
		struct source_word before, name;
		if (source_type(w.node, "defer_statement"))
			until = ts_node_end_byte(w.node);
		found = ts_node_start_byte(w.node) < until && callee(l->tree, w.node, &before, &name) &&
			word_is(name, method) && source_same(before, what);
	}
	source_walk_end(&w);
	return found;
}

static void unlocked_without_defer(struct source_look *l, const struct source_rule *self)
{
	struct source_walk w;
	unsigned n = 0;
	for (source_walk_start(&w, l->function); n < PER_RULE_MAX && source_walk_on(&w);) {
		struct source_word before, name;
		if (another_function(l, w.node) || source_type(w.node, "defer_statement")) {
			source_walk_over(&w);
			continue;
		}
		if (!callee(l->tree, w.node, &before, &name) || !before.len)
			continue;
		for (size_t i = 0; i < LEN(locks); i++) {
			if (!word_is(name, locks[i][0]) || is_deferred(l, before, locks[i][1]))
				continue;
			AUTO_FREE char *what = quote(before);
			say(l, self, source_line(w.node),
			    "%s.%s() has no deferred %s.%s(): a panic or an early return "
			    "leaves it locked",
			    what, locks[i][0], what, locks[i][1]);
			n++;
		}
	}
	source_walk_end(&w);
}

/* ---- what is to be closed or stopped ---- */

static const struct opener {
	const char *package; /* what stands before the dot; NULL: anything */
	const char *name, *end;
	bool body; /* the Body of what it returns is to be closed */
} openers[] = {
	{ "http", "Get", "Close", true },
	{ "http", "Head", "Close", true },
	{ "http", "Post", "Close", true },
	{ "http", "PostForm", "Close", true },
	{ NULL, "Do", "Close", true },
	{ NULL, "Get", "Close", true },
	{ NULL, "Post", "Close", true },
	{ "os", "Open", "Close", false },
	{ "os", "OpenFile", "Close", false },
	{ "os", "Create", "Close", false },
	{ "net", "Listen", "Close", false },
	{ NULL, "Dial", "Close", false },
	{ NULL, "DialContext", "Close", false },
	{ NULL, "DialTimeout", "Close", false },
	{ NULL, "DialTLS", "Close", false },
	{ NULL, "NewConnect", "Close", false },
	{ NULL, "NewConnectReadOnly", "Close", false },
	{ NULL, "Query", "Close", false },
	{ NULL, "QueryContext", "Close", false },
	{ NULL, "NewConsumer", "Close", false },
	{ "gzip", "NewReader", "Close", false },
	{ "time", "NewTicker", "Stop", false },
	{ "time", "NewTimer", "Stop", false },
	{ "time", "AfterFunc", "Stop", false },
};

static const struct opener *opener_of(const struct source_tree *t, TSNode call)
{
	struct source_word before, name;
	if (!callee(t, call, &before, &name))
		return NULL;
	for (size_t i = 0; i < LEN(openers); i++) {
		const struct opener *o = &openers[i];
		if (word_is(name, o->name) && (o->package ? word_is(before, o->package) : before.len > 0))
			return o;
	}
	return NULL;
}

/* What the function does with the variable that holds it. */
struct use {
	bool ended, deferred, escapes, has_body;
};

/* x.Close, x.Body, x.Body.Close: w->node is the x. */
static void judge_selector(const struct source_look *l, const struct source_walk *w, const struct opener *o,
			   bool in_defer, struct use *use)
{
	TSNode field = source_field(source_above(w, 1), "field"), call = source_above(w, 2);
	if (o->body) {
		bool deeper = source_type(call, "selector_expression");
		use->has_body = use->has_body || source_is(l->tree, field, "Body");
		field = deeper ? source_field(call, "field") : (TSNode){ 0 };
		call = source_above(w, 3);
	}
	if (ts_node_is_null(field) || !source_is(l->tree, field, o->end))
		return;
	use->ended = true;
	/* As a value, as in t.Cleanup(x.Close), it will be called by somebody else. */
	use->deferred = use->deferred || in_defer || !source_type(call, "call_expression");
}

/* One mention of the variable, at w->node: it escapes unless it is only asked for something, compared or set. */
static void judge_mention(const struct source_look *l, const struct source_walk *w, const struct opener *o,
			  bool in_defer, struct use *use)
{
	TSNode parent = source_above(w, 1);
	bool asked = source_type(parent, "selector_expression") && ts_node_eq(source_field(parent, "operand"), w->node);
	bool set =
		source_type(parent, "expression_list") && ts_node_eq(source_field(source_above(w, 2), "left"), parent);
	if (asked)
		judge_selector(l, w, o, in_defer, use);
	else if (!set && !source_type(parent, "binary_expression") && !source_type(parent, "parameter_declaration"))
		use->escapes = true;
}

static struct use uses_of(const struct source_look *l, TSNode variable, const struct opener *o)
{
	struct source_walk w;
	struct use use = { 0 };
	struct source_word name = source_text(l->tree, variable);
	uint32_t until = 0;
	for (source_walk_start(&w, l->declaration); source_walk_on(&w);) {
		if (source_type(w.node, "defer_statement"))
			until = ts_node_end_byte(w.node);
		if (source_type(w.node, "identifier") && !ts_node_eq(w.node, variable) &&
		    source_same(source_text(l->tree, w.node), name))
			judge_mention(l, &w, o, ts_node_start_byte(w.node) < until, &use);
	}
	return use;
}

/* The variable that a call's first result goes to: x of "x, err := call", "x = call", "var x = call"; null otherwise. */
static TSNode holder_of(const struct source_walk *w)
{
	TSNode list = source_above(w, 1), statement = source_above(w, 2);
	if (!source_type(list, "expression_list"))
		return (TSNode){ 0 };
	if (source_type(statement, "var_spec"))
		return source_field(statement, "name");
	TSNode left = source_field(statement, "left");
	TSNode first = ts_node_is_null(left) ? left : ts_node_named_child(left, 0);
	return source_type(first, "identifier") ? first : (TSNode){ 0 };
}

/* Nobody gets the result: "call()" alone, "_ = call()", "for range call().C". */
static bool is_dropped(const struct source_look *l, const struct source_walk *w, TSNode holder)
{
	TSNode parent = source_above(w, 1);
	return source_type(parent, "expression_statement") || source_type(parent, "selector_expression") ||
	       (!ts_node_is_null(holder) && source_is(l->tree, holder, "_"));
}

typedef void (*opened_fn)(struct source_look *l, const struct source_rule *self, const struct source_walk *w,
			  const struct opener *o);

static void each_opened(struct source_look *l, const struct source_rule *self, opened_fn fn)
{
	struct source_walk w;
	unsigned n = 0;
	for (source_walk_start(&w, l->function); n < PER_RULE_MAX && source_walk_on(&w);) {
		const struct opener *o = another_function(l, w.node) ? NULL : opener_of(l->tree, w.node);
		if (another_function(l, w.node))
			source_walk_over(&w);
		else if (o) {
			fn(l, self, &w, o);
			n++;
		}
	}
	source_walk_end(&w);
}

static void opened(struct source_look *l, const struct source_rule *self, const struct source_walk *w,
		   const struct opener *o)
{
	bool closes = strcmp(o->end, "Close") == 0;
	bool about_defer = strstr(self->name, "no-defer") != NULL, about_stop = strstr(self->name, "no-stop") != NULL;
	TSNode holder = holder_of(w);
	AUTO_FREE char *call = quote(source_text(l->tree, source_field(w->node, "function")));
	if (closes == about_stop)
		return;
	if (is_dropped(l, w, holder)) {
		bool certain = o->package && (about_stop || !ts_node_is_null(holder));
		if (certain && !about_defer)
			say(l, self, source_line(w->node), "what %s() returns is dropped: nobody can call %s()", call,
			    o->end);
		return;
	}
	if (ts_node_is_null(holder))
		return;
	struct use use = uses_of(l, holder, o);
	AUTO_FREE char *name = quote(source_text(l->tree, holder));
	const char *body = o->body ? ".Body" : "";
	if (use.escapes || (o->body && !o->package && !use.has_body))
		return;
	if (about_defer && use.ended && !use.deferred)
		say(l, self, source_line(w->node),
		    "%s%s.%s() after %s() is not deferred: an early return leaves it open", name, body, o->end, call);
	else if (!about_defer && !use.ended)
		say(l, self, source_line(w->node), "there is no %s%s.%s() after %s()", name, body, o->end, call);
}

static void no_defer(struct source_look *l, const struct source_rule *self)
{
	unlocked_without_defer(l, self);
	each_opened(l, self, opened);
}

static void no_end(struct source_look *l, const struct source_rule *self)
{
	each_opened(l, self, opened);
}

/* ---- go ---- */

static bool mentions_end(const struct source_tree *t, TSNode node)
{
	struct source_walk w;
	bool found = false;
	for (source_walk_start(&w, node); !found && source_walk_on(&w);) {
		bool name = source_type(w.node, "identifier") || source_type(w.node, "field_identifier");
		found = name && tells_of_end(source_text(t, w.node));
	}
	source_walk_end(&w);
	return found;
}

static void no_context(struct source_look *l, const struct source_rule *self)
{
	struct source_walk w;
	for (source_walk_start(&w, l->declaration); source_walk_on(&w);) {
		if (!source_type(w.node, "go_statement") || source_line(w.node) != l->line)
			continue;
		TSNode call = ts_node_named_child(w.node, 0);
		if (source_type(source_field(call, "function"), "func_literal") && !mentions_end(l->tree, call))
			say(l, self, l->line, "this go func is given no context and no channel that could end it");
	}
}

/* ---- the table ---- */

const struct source_rule source_rule_table[] = {
	{ "source:no-default", false, no_default },
	{ "source:no-done", false, no_done },
	{ "source:no-defer", false, no_defer },
	{ "source:no-close", false, no_end },
	{ "source:no-stop", false, no_end },
	{ "source:no-context", true, no_context },
	{ NULL, false, NULL },
};
