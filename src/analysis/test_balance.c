/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "analysis/balance.h"

enum { MIB = 1 << 20 };

/* A Go process of 100 MiB private memory in a cgroup of its own, as far as nothing else is said. */
static void process(struct account *a, unsigned version)
{
	account_init(a);
	a->go.layout_known = true;
	a->runtime.heap_alloc = 80 * MIB;
	a->runtime.heap_inuse = 90 * MIB;
	a->classes[CLASS_GO_HEAP_LIVE].anon = 70 * MIB;
	a->classes[CLASS_GO_HEAP_FREE].anon = 15 * MIB;
	a->classes[CLASS_GO_HEAP_IDLE].anon = 5 * MIB;
	a->classes[CLASS_GO_STACK_INUSE].anon = 4 * MIB;
	a->classes[CLASS_GO_META_SPANS].anon = 3 * MIB;
	a->classes[CLASS_GO_DATA].anon = MIB;
	a->classes[CLASS_C_HEAP].anon = MIB;
	a->classes[CLASS_MMAP_ANON].anon = MIB;
	a->cgroup =
		(struct account_cgroup){ .version = version, .path = "/pod", .usage = 100 * MIB, .anon = 100 * MIB };
}

static int64_t step(const struct account *a, const char *has)
{
	for (size_t i = 0; i < a->cgroup.balance.n; i++) {
		if (strstr(a->cgroup.balance.v[i].step, has))
			return a->cgroup.balance.v[i].bytes;
	}
	return 0;
}

static void assert_adds_up(const struct account *a)
{
	int64_t sum = a->cgroup.unexplained;
	for (size_t i = 0; i < a->cgroup.balance.n; i++)
		sum += a->cgroup.balance.v[i].bytes;
	assert_int_equal(sum, a->cgroup.usage);
}

static void own_memory_explains_usage(void **state)
{
	(void)state;
	struct account a;
	process(&a, 2);
	balance_cgroup(&a);
	assert_int_equal(a.cgroup.unexplained, 0);
	assert_int_equal(step(&a, "heap_alloc"), 80 * MIB);
	assert_int_equal(step(&a, "free slots"), 10 * MIB);
	assert_int_equal(step(&a, "not resident"), -5 * MIB);
	assert_adds_up(&a);
	account_deinit(&a);
}

/* "Rss is flat but the container was killed": each cause has a step of its own. */
static void each_cause_is_named(void **state)
{
	(void)state;
	static const struct {
		size_t field;
		const char *step;
		bool kernel;
	} causes[] = {
		{ offsetof(struct account_cgroup, anon), "other processes", false },
		{ offsetof(struct account_cgroup, shmem), "tmpfs", false },
		{ offsetof(struct account_cgroup, file), "page cache, other", false },
		{ offsetof(struct account_cgroup, slab), "slab (", true },
		{ offsetof(struct account_cgroup, pagetables), "page tables", true },
		{ offsetof(struct account_cgroup, percpu), "per-cpu", true },
		{ offsetof(struct account_cgroup, sock), "socket", false },
		{ offsetof(struct account_cgroup, kernel), "kernel memory", false },
	};
	for (size_t i = 0; i < sizeof(causes) / sizeof(causes[0]); i++) {
		struct account a;
		process(&a, 2);
		uint64_t *field = (uint64_t *)(void *)((char *)&a.cgroup + causes[i].field);
		*field += 50 * MIB;
		if (causes[i].kernel)
			a.cgroup.kernel = 50 * MIB;
		if (causes[i].field == offsetof(struct account_cgroup, shmem))
			a.cgroup.file = 50 * MIB; /* the kernel counts tmpfs among file pages */
		a.cgroup.usage += 50 * MIB;
		balance_cgroup(&a);
		assert_int_equal(step(&a, causes[i].step), 50 * MIB);
		assert_int_equal(a.cgroup.unexplained, 0);
		assert_adds_up(&a);
		account_deinit(&a);
	}
}

static void what_is_unknown_is_unexplained(void **state)
{
	(void)state;
	struct account a;
	process(&a, 1);
	a.cgroup.anon = a.cgroup.slab = a.cgroup.kernel = ACCOUNT_UNKNOWN;
	a.cgroup.usage = 130 * MIB;
	balance_cgroup(&a);
	assert_int_equal(a.cgroup.unexplained, 30 * MIB);
	assert_adds_up(&a);
	account_deinit(&a);
}

static void no_cgroup_no_balance(void **state)
{
	(void)state;
	struct account a;
	process(&a, 0);
	balance_cgroup(&a);
	assert_int_equal(a.cgroup.balance.n, 0);
	a.cgroup.version = 2;
	a.cgroup.usage = ACCOUNT_UNKNOWN;
	balance_cgroup(&a);
	assert_int_equal(a.cgroup.balance.n, 0);
	account_deinit(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_memory_explains_usage),
		cmocka_unit_test(each_cause_is_named),
		cmocka_unit_test(what_is_unknown_is_unexplained),
		cmocka_unit_test(no_cgroup_no_balance),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
