/* SPDX-License-Identifier: Apache-2.0 */
/*
 * bench_pprof make STACKS N FILE  writes a heap profile with that many different stacks; what is in use depends on N
 * bench_pprof top FILE            reads it and adds up by function, like `go tool pprof -top`
 * bench_pprof diff BASE FILE      the same for the difference, like `go tool pprof -top -diff_base`
 *
 * The last line is the CPU time of the process, so that bench/run sets it against that of the peer.
 */
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/num.h"
#include "codec/pprof.h"
#include "format/output.h"

enum { FUNCTIONS = 4000, DEPTH = 30, ROWS = 10 };

static uint64_t next(uint64_t *state)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return *state >> 33;
}

/* ---- make ---- */

/*
 * Like a program: stacks are walked in order, so each has most of its frames from the root in common with the one before,
 * and a function calls few others. `way` is the one before, root first.
 */
static uint32_t make_stack(struct profile *p, const uint32_t *frames, uint32_t way[DEPTH], uint64_t *random)
{
	uint32_t stack[DEPTH], n = DEPTH / 2 + (uint32_t)(next(random) % (DEPTH / 2));
	uint32_t keep = n - 1 - (uint32_t)(next(random) % 4);
	for (uint32_t i = 0; i < n; i++) {
		if (i >= keep || !way[i])
			way[i] = (uint32_t)(((i ? way[i - 1] : 0) * 7 + 1 + next(random) % 12) % FUNCTIONS);
		stack[n - 1 - i] = frames[way[i]];
	}
	return stacks_add(&p->stacks, stack, n);
}

static void make_frames(struct profile *p, uint32_t *frames)
{
	for (uint32_t i = 0; i < FUNCTIONS; i++) {
		char function[64], file[64];
		snprintf(function, sizeof(function), "example.org/service/pkg%u.(*Type%u).Method%u", i % 97, i % 31, i);
		snprintf(file, sizeof(file), "/src/service/pkg%u/file%u.go", i % 97, i % 11);
		struct frame f = { function, file, i % 900 + 1, false, 0x400000 + i * 64 };
		frames[i] = stacks_frame(&p->stacks, &f);
	}
}

static struct err *make(uint64_t stacks, uint64_t noise, const char *path)
{
	static const char *const types[][2] = { { "alloc_objects", "count" },
						{ "alloc_space", "bytes" },
						{ "inuse_objects", "count" },
						{ "inuse_space", "bytes" } };
	uint32_t frames[FUNCTIONS], way[DEPTH] = { 0 };
	uint64_t random = 1;
	AUTO(profile) struct profile p;
	profile_init(&p);
	for (size_t i = 0; i < 4; i++)
		profile_type_add(&p, types[i][0], types[i][1]);
	make_frames(&p, frames);
	while (p.samples.n < stacks) {
		size_t had = p.stacks.v.n;
		uint32_t stack = make_stack(&p, frames, way, &random);
		if (p.stacks.v.n == had)
			continue;
		int64_t size = 16 << next(&random) % 8, n = 1 + (int64_t)(next(&random) % 50);
		int64_t *v = profile_sample_add(&p, stack);
		v[0] = 2 * n;
		v[1] = 2 * n * size;
		v[2] = next(&noise) % 4 ? n : 0;
		v[3] = v[2] * size;
	}
	*vec_push(&p.mappings) =
		(struct profile_mapping){ 0x400000, 0x800000, 0, "/usr/bin/service", "0123456789abcdef" };
	p.period_type = (struct profile_type){ "space", "bytes" };
	p.period = 524288;
	AUTO(strbuf) struct strbuf out;
	strbuf_init(&out);
	pprof_write(&p, &out);
	struct output o;
	TRY(output_open(&o, path));
	return output_commit(&o, out.buf, out.len);
}

/* ---- top, diff ---- */

struct sum {
	const char *function;
	int64_t self, total;
	size_t seen;
};

struct sums {
	struct intern names;
	struct hash_map ids;
	VEC(struct sum) v;
};

static struct sum *sum_of(struct sums *s, const char *function)
{
	bool fresh = false;
	uint64_t *id = hash_map_at(&s->ids, (uint64_t)(uintptr_t)intern_str(&s->names, function), &fresh);
	if (fresh) {
		*id = s->v.n;
		vec_push(&s->v)->function = function;
	}
	return &s->v.v[*id];
}

static void add_up(struct sums *s, const struct profile *p, int sign)
{
	size_t type = p->n_types - 1;
	uint32_t *by_frame = xcalloc(p->stacks.frames.n + 1, sizeof(*by_frame));
	for (size_t i = 0; i < p->stacks.frames.n; i++)
		by_frame[i] = (uint32_t)(sum_of(s, p->stacks.frames.v[i].function) - s->v.v);
	for (size_t i = 0; i < s->v.n; i++)
		s->v.v[i].seen = 0;
	for (size_t i = 0; i < p->samples.n; i++) {
		struct stack st = p->stacks.v.v[p->samples.v[i].stack];
		int64_t value = sign * profile_values(p, i)[type];
		for (uint32_t k = 0; k < st.n; k++) {
			struct sum *f = &s->v.v[by_frame[p->stacks.pool.v[st.at + k]]];
			f->self += k ? 0 : value;
			f->total += f->seen == i + 1 ? 0 : value;
			f->seen = i + 1;
		}
	}
	free(by_frame);
}

static struct err *add_file(struct sums *s, const char *path, struct profile *p, int sign)
{
	AUTO_CLOSE int fd = open(path, O_RDONLY | O_CLOEXEC);
	AUTO(stream) struct stream in;
	profile_init(p);
	TRY(stream_open(fd, path, PPROF_MAX, &in));
	profile_deinit(p);
	TRY(pprof_read(&in, p));
	add_up(s, p, sign);
	return NULL;
}

static int by_self(const void *a, const void *b)
{
	const struct sum *x = a, *y = b;
	uint64_t m = (uint64_t)llabs(x->self), n = (uint64_t)llabs(y->self);
	return m > n ? -1 : m < n;
}

static struct err *top(char **paths, int n)
{
	struct sums s = { 0 };
	struct profile p[2];
	struct err *err = NULL;
	intern_init(&s.names);
	for (int i = 0; i < n && !err; i++)
		err = add_file(&s, paths[i], &p[i], i + 1 < n ? -1 : 1);
	vec_sort(&s.v, by_self);
	for (size_t i = 0; i < num_min(s.v.n, ROWS); i++)
		printf("%12" PRId64 " %12" PRId64 "  %s\n", s.v.v[i].self, s.v.v[i].total, s.v.v[i].function);
	return err; /* the process ends: nothing is freed, as by the peer */
}

int main(int argc, char **argv)
{
	uint64_t stacks = 0, noise = 0;
	struct err *err AUTO(err) = NULL;
	if (argc == 5 && strcmp(argv[1], "make") == 0 && num_str(argv[2], &stacks) && num_str(argv[3], &noise))
		err = make(stacks, noise, argv[4]);
	else if ((argc == 3 && strcmp(argv[1], "top") == 0) || (argc == 4 && strcmp(argv[1], "diff") == 0))
		err = top(argv + 2, argc - 2);
	else
		return 2;
	if (err) {
		fprintf(stderr, "bench_pprof: %s\n", err_text(err));
		return 1;
	}
	struct timespec ts;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts);
	printf("cpu %.2f ms\n", (double)ts.tv_sec * 1e3 + (double)ts.tv_nsec / 1e6);
	return 0;
}
