/* SPDX-License-Identifier: Apache-2.0 */
/*
 * watch_actions LINK...: a chain of actions, told what standard input says, for tests.
 *
 * A LINK is the words "-- KIND NAME TIMEOUT_MS RETRIES dry|do TOKEN_FILE|- WHERE..." (an address, a path, or a command).
 * Lines of input: "fire INCIDENT STATE", "canary INCIDENT STATE", "resolve INCIDENT", "flood N" (orders of as many incidents), "rehearse", "later" (a rehearsal that is not
 * waited for), "reload", "pid" (of the actor). The end of input stops the actor.
 * Each line of output begins with a word: "ready", "posted" (yes or no, how many wait, how many were dropped), "rehearsed" (then the
 * problems, and a line "."), "outcome" (fields by tabs: action, incident, done|failed, tries, flags, text, output).
 */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "act/act.h"
#include "base/num.h"

static void end(struct err *err)
{
	if (!err)
		return;
	fprintf(stderr, "%s\n", err_text(err));
	exit(1);
}

static unsigned number(const char *text)
{
	uint64_t n = 0;
	return num_str(text, &n) ? (unsigned)n : 0;
}

static void parse(struct config_policy *p, int argc, char **argv)
{
	for (int i = 1; i + 7 < argc;) {
		struct config_action *a = vec_push(&p->actions);
		char **w = argv + i;
		for (unsigned k = 0; k < ACTION_KINDS; k++) {
			if (strcmp(config_action_kinds[k], w[1]) == 0)
				a->kind = (enum config_action_kind)k;
		}
		a->name = w[2];
		a->timeout_ms = number(w[3]);
		a->retries = number(w[4]);
		a->dry_run = strcmp(w[5], "dry") == 0;
		a->token_file = strcmp(w[6], "-") == 0 ? NULL : w[6];
		a->url = a->path = w[7];
		for (i += 7; i < argc && strcmp(argv[i], "--") != 0; i++)
			*vec_push(&a->argv) = argv[i];
	}
}

static void print_field(const char *s)
{
	putchar('\t');
	for (; s && *s; s++)
		putchar(*s == '\t' || *s == '\n' ? ' ' : *s);
}

static void print_outcome(void *arg, const struct act_outcome *o)
{
	char tries[16];
	snprintf(tries, sizeof(tries), "%u", o->tries);
	printf("outcome");
	print_field(o->action);
	print_field(o->incident);
	print_field(o->done ? "done" : "failed");
	print_field(tries);
	print_field(o->dry ? "dry" : o->rehearsal ? "rehearsal" : o->repeated ? "repeated" : "");
	print_field(o->text);
	print_field(o->output);
	printf("\n");
}

static bool post(struct act *act, const char *incident, const char *state, bool resolved, bool dry)
{
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	struct watch_target t = { .key = "81-4711",
				  .comm = "sick\"\xff\n",
				  .cgroup_path = "/system.slice/sick.service",
				  .build_id = "build/1",
				  .limit_source = "cgroup /system.slice/sick.service memory.max",
				  .id = { .pid = 81 },
				  .is_go = true,
				  .reason = "92 % of the limit" };
	watch_process_sample_init(&t.process);
	watch_cgroup_sample_init(&t.cgroup);
	t.cgroup.limit = 100 << 20;
	t.cgroup.working_set = 92 << 20;
	t.forecast = (struct watch_forecast){ .rate = 1e6, .eta = 42, .confidence = .9, .z = NAN };
	t.signals[t.n_signals++] = (struct watch_signal){ .name = "near_limit", .value = .92, .threshold = .85 };
	for (unsigned i = 0; i < WATCH_STATES; i++) {
		if (strcmp(state, watch_states[i]) == 0)
			t.state = (enum watch_state)i;
	}
	struct watch_event e = { .wall_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec,
				 .kind = WATCH_EVENT_STATE,
				 .text = "the working set is at 92 % of the limit",
				 .value = .92,
				 .threshold = .85 };
	struct act_order o = { .incident = incident,
			       .alertname = "UllageNearLimit",
			       .resolved = resolved,
			       .dry = dry,
			       .started_wall_ns = e.wall_ns - 1000000000,
			       .target = &t,
			       .event = &e };
	return act_post(act, "all", &o);
}

static void print_posted(const struct act *act, bool ok)
{
	printf("posted\t%s\t%u\t%lu\n", ok ? "yes" : "no", act_waiting(act), act_dropped(act));
}

static void flood(struct act *act, unsigned n)
{
	bool ok = true;
	char incident[32];
	for (unsigned i = 0; i < n; i++) {
		snprintf(incident, sizeof(incident), "flood-%u", i);
		ok = post(act, incident, "warning", false, false) && ok;
	}
	print_posted(act, ok);
}

static void rehearse(struct act *act)
{
	struct strbuf problems;
	strbuf_init(&problems);
	end(act_rehearse(act, &problems));
	printf("rehearsed\n%s.\n", problems.buf);
	strbuf_deinit(&problems);
}

static void command(struct act *act, const struct config *c, char *line)
{
	char *rest = line, *verb = strsep(&rest, " "), *incident = strsep(&rest, " "), *state = rest ? rest : incident;
	if (strcmp(verb, "rehearse") == 0)
		rehearse(act);
	else if (strcmp(verb, "later") == 0)
		end(act_rehearse(act, NULL));
	else if (strcmp(verb, "reload") == 0)
		end(act_configure(act, c));
	else if (strcmp(verb, "flood") == 0 && incident)
		flood(act, number(incident));
	else if (incident)
		print_posted(act,
			     post(act, incident, state, strcmp(verb, "resolve") == 0, strcmp(verb, "canary") == 0));
}

int main(int argc, char **argv)
{
	struct act *act = NULL;
	struct config c = { 0 };
	struct config_policy *p = vec_push(&c.policies);
	p->name = "all";
	parse(p, argc, argv);
	setvbuf(stdout, NULL, _IOLBF, 0);
	setvbuf(stdin, NULL, _IONBF, 0);
	const struct spawner_part parts[] = { act_part() };
	struct spawner spawner = SPAWNER_NONE;
	end(spawner_start(&spawner, parts, 1, 0));
	end(act_start(&spawner, 0, &act));
	end(act_configure(act, &c));
	printf("ready\n");
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN }, { .fd = act_fd(act), .events = POLLIN } };
	char line[256];
	while (poll(fds, 2, 1000) >= 0) {
		if (fds[1].revents)
			act_dispatch(act, print_outcome, NULL);
		end(act_tend(act, print_outcome, NULL));
		if (!fds[0].revents)
			continue;
		if (!fgets(line, sizeof(line), stdin))
			break;
		line[strcspn(line, "\n")] = 0;
		command(act, &c, line);
	}
	act_stop(act);
	spawner_stop(&spawner, ACT_GRACE_MS);
	for (size_t i = 0; i < p->actions.n; i++)
		vec_deinit(&p->actions.v[i].argv);
	vec_deinit(&p->actions);
	vec_deinit(&c.policies);
	return 0;
}
