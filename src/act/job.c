/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>

#include "act/actor.h"
#include "act/append.h"
#include "base/alloc.h"
#include "base/hash.h"

#define NS_PER_MS INT64_C(1000000)
#define NS_PER_S INT64_C(1000000000)

enum { BACKOFF_FIRST_MS = 500, BACKOFF_MAX_MS = 60000, BACKOFF_DOUBLINGS = 7, TEXT_LEN = 600 };

/* How many of one link may be under way at a time. */
static const unsigned at_a_time[ACTION_KINDS] = {
	[ACTION_WEBHOOK] = 4, [ACTION_ALERTMANAGER] = 2, [ACTION_FILE] = 1, [ACTION_COMMAND] = 1
};

/* ---- the list ---- */

struct job *job_new(struct actor *a, enum job_kind kind, struct link *link)
{
	struct job *j = xcalloc(1, sizeof(*j)), **at = &a->jobs;
	j->kind = kind;
	j->link = link;
	j->set = a->chains;
	j->set->refs++;
	j->command.pidfd = j->command.out = -1;
	while (*at)
		at = &(*at)->next;
	*at = j;
	a->n_jobs++;
	return j;
}

static void job_free(struct actor *a, struct job *j)
{
	struct job **at = &a->jobs;
	while (*at != j)
		at = &(*at)->next;
	*at = j->next;
	a->n_jobs--;
	if (j->running)
		j->link->running--;
	order_unref(j->order);
	chains_unref(j->set);
	free(j->body);
	free(j);
}

static bool same_link(const struct job *a, const struct job *b)
{
	return strcmp(a->link->action.name, b->link->action.name) == 0 && strcmp(a->link->policy, b->link->policy) == 0;
}

/* Has `before` to end first? What is told of one incident stays in order, and no alert is told again after its end. */
static bool goes_first(const struct job *before, const struct job *j)
{
	if (before->kind == JOB_REHEARSE || j->kind != JOB_TELL || !same_link(before, j))
		return false;
	return before->kind == JOB_AGAIN || strcmp(before->order->incident, j->order->incident) == 0;
}

static bool blocked(const struct actor *a, const struct job *j)
{
	if (j->link->running >= at_a_time[j->link->action.kind])
		return true;
	for (const struct job *k = a->jobs; k != j; k = k->next) {
		if (goes_first(k, j))
			return true;
	}
	return false;
}

bool job_running(const struct actor *a)
{
	for (const struct job *j = a->jobs; j; j = j->next) {
		if (j->running)
			return true;
	}
	return false;
}

bool job_ends(const struct actor *a, const struct alert *one)
{
	for (const struct job *j = a->jobs; j; j = j->next) {
		if (j->kind == JOB_TELL && j->order->resolved && !j->order->dry && !j->link->action.dry_run &&
		    strcmp(j->link->action.name, one->action) == 0 &&
		    strcmp(j->link->policy, one->order->policy) == 0 &&
		    strcmp(j->order->incident, one->order->incident) == 0)
			return true;
	}
	return false;
}

void job_free_all(struct actor *a)
{
	while (a->jobs) {
		command_abandon(&a->jobs->command);
		job_free(a, a->jobs);
	}
}

/* ---- ends ---- */

struct ending {
	bool done, dry;
	const char *text, *output;
};

static void tell_outcome(struct actor *a, const struct job *j, const struct ending *e)
{
	size_t at = frame_begin(&a->out, FRAME_OUTCOME);
	frame_u32(&a->out, j->order ? j->order->number : 0);
	frame_u8(&a->out, j->place);
	frame_u8(&a->out, j->kind == JOB_AGAIN);
	frame_u8(&a->out, e->done);
	frame_u8(&a->out, e->dry);
	frame_u32(&a->out, j->tries);
	frame_str(&a->out, j->link->action.name);
	frame_str(&a->out, j->order ? j->order->incident : NULL);
	frame_str(&a->out, e->text);
	frame_str(&a->out, e->output);
	frame_end(&a->out, at);
}

static void finish(struct actor *a, struct job *j, const struct ending *e)
{
	if (j->kind == JOB_TELL)
		tell_outcome(a, j, e);
	job_free(a, j);
}

static void finish_err(struct actor *a, struct job *j, struct err *err)
{
	finish(a, j, &(struct ending){ .text = err_text(err) });
	err_free(err);
}

/* Half of it by chance, so that many that failed together do not come back together. */
static int64_t backoff_ns(const struct job *j, const struct http_posted *p, int64_t now)
{
	unsigned n = j->tries - 1 < BACKOFF_DOUBLINGS ? j->tries - 1 : BACKOFF_DOUBLINGS;
	int64_t ms = (int64_t)BACKOFF_FIRST_MS << n, chance = (int64_t)(hash_u64((uint64_t)now ^ (uintptr_t)j) % 1024);
	ms = ms < BACKOFF_MAX_MS ? ms : BACKOFF_MAX_MS;
	int64_t wait = (ms / 2 + ms / 2 * chance / 1024) * NS_PER_MS, asked = p->retry_after_s * NS_PER_S;
	return wait > asked ? wait : asked;
}

/* The last word on it, or another try. */
static void answered(struct actor *a, struct job *j, const struct http_posted *p, int64_t now)
{
	char text[TEXT_LEN];
	if (!p->ok && p->again && j->tries <= j->link->action.retries && !a->closing) {
		j->running = false;
		j->link->running--;
		j->not_before = now + backoff_ns(j, p, now);
		return;
	}
	snprintf(text, sizeof(text), "%s%s", p->text, p->ok || j->tries == 1 ? "" : ", and that was the last try");
	finish(a, j, &(struct ending){ .done = p->ok, .text = text });
}

void job_posted(struct actor *a, const struct http_posted *p, int64_t now)
{
	struct job *j = p->ctx;
	const struct link *l = j->link;
	if (j->kind == JOB_TELL) {
		answered(a, j, p, now);
		return;
	}
	if (j->kind == JOB_REHEARSE)
		rehearse_connected(a, j, p->ok ? NULL : p->text);
	else if (alerts_told(&a->alerts, l->policy, l->action.name, p->ok, now))
		tell_outcome(a, j, &(struct ending){ .text = p->text });
	job_free(a, j);
}

/* ---- beginnings ---- */

struct err *job_token(const char *path, char *buf)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return err_os(errno, "reading the token of %s", path);
	ssize_t n = read(fd, buf, ACTOR_TOKEN_MAX - 1);
	if (n < 0)
		return err_os(errno, "reading the token of %s", path);
	static const char space[] = " \t\r\n";
	buf[n] = 0;
	size_t before = strspn(buf, space), len = strlen(buf + before);
	memmove(buf, buf + before, len + 1);
	while (len > 0 && strchr(space, buf[len - 1]))
		buf[--len] = 0;
	return len > 0 ? NULL : err_new(ERR_FORMAT, "the token file %s is empty", path);
}

/* Where alerts go: the address as it stands when it names the resource, else its well-known place below it. */
static char *address(const struct config_action *action)
{
	static const char place[] = "/api/v2/alerts";
	size_t len = strlen(action->url), n = sizeof(place) - 1;
	if (action->kind != ACTION_ALERTMANAGER || (len >= n && strcmp(action->url + len - n, place) == 0))
		return xstrdup(action->url);
	while (len > 0 && action->url[len - 1] == '/')
		len--;
	return xasprintf("%.*s%s", (int)len, action->url, place);
}

static void start_post(struct actor *a, struct job *j, int64_t now)
{
	const struct config_action *action = &j->link->action;
	char token[ACTOR_TOKEN_MAX];
	AUTO_FREE char *url = address(action);
	const char *body = j->body ? j->body : j->order->json;
	struct http_post post = { .url = url,
				  .token = action->token_file ? token : NULL,
				  .body = body,
				  .len = strlen(body),
				  .timeout_ms = action->timeout_ms,
				  .ctx = j };
	struct err *err = action->token_file ? job_token(action->token_file, token) : NULL;
	if (!err)
		err = http_posts_add(a->posts, &post);
	if (!err)
		return;
	struct http_posted failed = { .ctx = j };
	snprintf(failed.text, sizeof(failed.text), "%s", err_text(err));
	err_free(err);
	job_posted(a, &failed, now);
}

static void start_file(struct actor *a, struct job *j)
{
	const char *path = j->link->action.path;
	size_t len = strlen(j->order->json);
	struct err *err = append_line(path, j->order->json, len);
	if (err) {
		finish_err(a, j, err);
		return;
	}
	AUTO_FREE char *text = xasprintf("%zu bytes appended to %s", len + 1, path);
	finish(a, j, &(struct ending){ .done = true, .text = text });
}

static void start_command(struct actor *a, struct job *j, int64_t now)
{
	const struct order *o = j->order;
	AUTO_FREE char *incident = xasprintf("ULLAGE_INCIDENT=%s", o->incident);
	AUTO_FREE char *alert = xasprintf("ULLAGE_ALERTNAME=%s", o->alertname);
	AUTO_FREE char *policy = xasprintf("ULLAGE_POLICY=%s", o->policy);
	const char *const env[] = { "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
				    "LANG=C.UTF-8",
				    incident,
				    alert,
				    policy,
				    o->resolved ? "ULLAGE_STATUS=resolved" : "ULLAGE_STATUS=firing",
				    NULL };
	struct err *err =
		command_start(&j->command, &j->link->action.argv, env, o->json, j->link->action.timeout_ms, now);
	if (err) {
		finish_err(a, j, err);
		return;
	}
	const int fds[] = { j->command.pidfd, j->command.out };
	struct epoll_event ev = { .events = EPOLLIN };
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		epoll_ctl(a->epoll, EPOLL_CTL_ADD, fds[i], &ev); /* refused: its end is noticed at the timeout */
}

static void start_dry(struct actor *a, struct job *j)
{
	const struct config_action *action = &j->link->action;
	AUTO(strbuf) struct strbuf text;
	strbuf_init(&text);
	strbuf_puts(&text, "would ");
	if (action->kind == ACTION_FILE) {
		strbuf_printf(&text, "append to %s", action->path);
	} else if (action->kind == ACTION_COMMAND) {
		strbuf_puts(&text, "run");
		for (size_t i = 0; i < action->argv.n; i++)
			strbuf_printf(&text, " %s", action->argv.v[i]);
	} else {
		AUTO_FREE char *url = address(action);
		strbuf_printf(&text, "post to %s", strchr(url, '@') ? "an address with a login" : url);
	}
	finish(a, j, &(struct ending){ .done = true, .dry = true, .text = text.buf });
}

static void start_alert(struct actor *a, struct job *j, int64_t now)
{
	AUTO(strbuf) struct strbuf body;
	strbuf_init(&body);
	if (j->tries > 1 || j->kind == JOB_AGAIN) {
		start_post(a, j, now);
		return;
	}
	if (alerts_tell(&a->alerts, j->link->action.name, j->order, now, &body)) {
		j->body = strbuf_take(&body);
		start_post(a, j, now);
		return;
	}
	finish(a, j,
	       &(struct ending){ .done = true, .text = "nothing to tell: the alert goes on for another incident" });
}

static void start(struct actor *a, struct job *j, int64_t now)
{
	const struct config_action *action = &j->link->action;
	j->running = true;
	j->link->running++;
	j->tries++;
	if (j->kind == JOB_TELL && (j->order->dry || action->dry_run))
		start_dry(a, j);
	else if (action->kind == ACTION_FILE)
		start_file(a, j);
	else if (action->kind == ACTION_COMMAND)
		start_command(a, j, now);
	else if (action->kind == ACTION_ALERTMANAGER)
		start_alert(a, j, now);
	else
		start_post(a, j, now);
}

/* Alerts that last, told again by a link that has nothing else to tell. */
static void start_again(struct actor *a, struct link *l, int64_t now)
{
	struct strbuf body;
	for (const struct job *j = a->jobs; j; j = j->next) {
		if (strcmp(j->link->action.name, l->action.name) == 0 && strcmp(j->link->policy, l->policy) == 0)
			return;
	}
	strbuf_init(&body);
	if (alerts_again(&a->alerts, l->policy, l->action.name, now, &body))
		job_new(a, JOB_AGAIN, l)->body = strbuf_take(&body);
	strbuf_deinit(&body);
}

void job_start_all(struct actor *a, int64_t now)
{
	for (size_t i = 0; a->chains && !a->closing && now >= alerts_next(&a->alerts) && i < a->chains->v.n; i++) {
		struct chain *c = &a->chains->v.v[i];
		for (size_t k = 0; k < c->links.n; k++) {
			if (c->links.v[k].action.kind == ACTION_ALERTMANAGER)
				start_again(a, &c->links.v[k], now);
		}
	}
	for (struct job *j = a->jobs, *next = NULL; j; j = next) {
		next = j->next;
		if (!j->running && j->not_before <= now && !blocked(a, j))
			start(a, j, now);
	}
}

/* An actor before us told it. An alert that lasts is told again and, one day, ended by us. */
static void skip(struct actor *a, const struct link *l, struct order *o, int64_t now)
{
	if (l->action.kind == ACTION_ALERTMANAGER && !l->action.dry_run && !o->dry)
		alerts_restore(&a->alerts, l->action.name, o, now);
}

void job_order(struct actor *a, struct order *o, int64_t now)
{
	struct chain *c = chains_find(a->chains, o->policy);
	for (size_t i = 0; c && i < c->links.n; i++) {
		if (o->skip & UINT32_C(1) << i) {
			skip(a, &c->links.v[i], o, now);
			continue;
		}
		struct job *j = job_new(a, JOB_TELL, &c->links.v[i]);
		j->order = order_ref(o);
		j->place = (unsigned)i;
		j->not_before = now;
	}
}

void job_step_commands(struct actor *a, int64_t now)
{
	char text[COMMAND_TEXT_LEN];
	for (struct job *j = a->jobs, *next = NULL; j; j = next) {
		bool ok = false;
		next = j->next;
		struct command *c = &j->command;
		if (c->pid > 0 && command_step(c, now, &ok, text))
			finish(a, j,
			       &(struct ending){ .done = ok, .text = text, .output = c->n_output ? c->output : NULL });
	}
}

int64_t job_next(const struct actor *a)
{
	int64_t next = a->closing ? INT64_MAX : alerts_next(&a->alerts);
	for (const struct job *j = a->jobs; j; j = j->next) {
		int64_t at = j->not_before;
		if (j->running) /* the end of a command, and of a transfer, wakes us by itself */
			at = j->command.pid > 0 && !j->command.killed ? j->command.deadline : INT64_MAX;
		if (at < next && (j->running || !blocked(a, j)))
			next = at;
	}
	return next;
}
