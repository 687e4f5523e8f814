/* SPDX-License-Identifier: MIT */
/*
 * The orderings that the protocol relies on, tried on the CPU at hand.
 *
 * All are of the shape called store buffering: each of two threads stores to one word
 * and then looks at the other's. A store may wait in its CPU's buffer while a later
 * load goes ahead, so both may miss the other's store, unless there is a locked
 * operation between a thread's store and its look. In the protocol one thread is an
 * initiator, which stores a PTE and looks at the byte; the other is the host, which
 * takes the byte and lets the vCPU read the PTE.
 *
 * What must not happen must never be seen. What may happen shows that the test is
 * able to see it; a CPU on which it was not seen proves nothing, and says so.
 */
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "minivmm/pv_flush.h"

#define NR_CELLS       1024
#define DURATION_MS    400
#define SPINS_TO_YIELD 1000

/* One try: two words in cache lines of their own, and what each thread saw. */
struct cell {
	_Alignas(64) uint64_t pte;
	_Alignas(64) uint8_t byte;
	_Alignas(64) bool missed[2];
};

struct litmus {
	const char *name;
	uint8_t byte;			    /* its first value */
	bool (*side[2])(struct cell *cell); /* each returns whether it missed the other's store */
	bool may_both_miss;
};

static struct cell cells[NR_CELLS];
static const struct litmus *litmus; /* NULL: the second thread ends */
static uint64_t arrived[2] __attribute__((aligned(64)));

static void store_pte(struct cell *cell)
{
	__atomic_store_n(&cell->pte, 1, __ATOMIC_RELAXED);
}

static bool misses_pte(struct cell *cell)
{
	return __atomic_load_n(&cell->pte, __ATOMIC_RELAXED) == 0;
}

/* ---- the sides ------------------------------------------------------------- */

static bool plain_left(struct cell *cell)
{
	store_pte(cell);
	return __atomic_load_n(&cell->byte, __ATOMIC_RELAXED) == 0;
}

static bool plain_right(struct cell *cell)
{
	__atomic_store_n(&cell->byte, 1, __ATOMIC_RELAXED);
	return misses_pte(cell);
}

static bool locked_left(struct cell *cell)
{
	store_pte(cell);
	return __atomic_fetch_add(&cell->byte, 0, __ATOMIC_SEQ_CST) == 0;
}

static bool locked_right(struct cell *cell)
{
	__atomic_exchange_n(&cell->byte, 1, __ATOMIC_SEQ_CST);
	return misses_pte(cell);
}

/* The initiator believes that the flush is still to come: it missed the take. */
static bool initiator_defers(struct cell *cell)
{
	store_pte(cell);
	return pv_try_defer(&cell->byte) == PV_DEFERRED;
}

/* What pv_try_defer() must not do: trust a request that is there already. */
static bool initiator_takes_shortcut(struct cell *cell)
{
	store_pte(cell);
	return __atomic_load_n(&cell->byte, __ATOMIC_RELAXED) & KVM_VCPU_FLUSH_TLB;
}

/* The flush would come after the take, and then a read through the page table. */
static bool host_resumes(struct cell *cell)
{
	pv_take(&cell->byte);
	return misses_pte(cell);
}

/* ---- running them ---------------------------------------------------------- */

/* Both threads meet here before every try: it only works if they run at the same time. */
static void meet(unsigned self, uint64_t number)
{
	unsigned spins = 0;

	__atomic_store_n(&arrived[self], number, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&arrived[!self], __ATOMIC_ACQUIRE) < number)
		if (++spins % SPINS_TO_YIELD == 0)
			sched_yield();
}

static void run_batch(unsigned self, uint64_t *number)
{
	for (unsigned i = 0; i < NR_CELLS; i++) {
		meet(self, ++*number);
		cells[i].missed[self] = litmus->side[self](&cells[i]);
	}
	meet(self, ++*number);
}

static void pin_to_cpu(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	pthread_setaffinity_np(pthread_self(), sizeof(set), &set);
}

static void *second_thread(void *cpu)
{
	uint64_t number = 0;

	pin_to_cpu(*(unsigned *)cpu);
	for (;;) {
		meet(1, ++number);
		if (!litmus)
			return NULL;
		run_batch(1, &number);
	}
}

static void reset_cells(void)
{
	memset(cells, 0, sizeof(cells));
	for (unsigned i = 0; i < NR_CELLS; i++)
		cells[i].byte = litmus->byte;
}

static unsigned count_both_missed(void)
{
	unsigned count = 0;

	for (unsigned i = 0; i < NR_CELLS; i++)
		count += cells[i].missed[0] && cells[i].missed[1];
	return count;
}

static uint64_t now_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static bool run_litmus(const struct litmus *test, unsigned index, uint64_t *number)
{
	uint64_t end_ms = now_ms() + DURATION_MS;
	uint64_t tries = 0, seen = 0;

	litmus = test;
	while (now_ms() < end_ms) {
		reset_cells();
		meet(0, ++*number);
		run_batch(0, number);
		tries += NR_CELLS;
		seen += count_both_missed();
	}
	bool ok = test->may_both_miss || seen == 0;
	printf("%s %u - %s%s\n", ok ? "ok" : "not ok", index, test->name,
	       test->may_both_miss && seen == 0 ? " # SKIP not observed on this CPU" : "");
	printf("# both missed the other's store in %lu of %lu tries\n", (unsigned long)seen,
	       (unsigned long)tries);
	return ok;
}

static const struct litmus tests[] = {
	{ "plain_accesses_may_both_miss", 0, { plain_left, plain_right }, true },
	{ "locked_operations_never_both_miss", 0, { locked_left, locked_right }, false },
	{ "shortcut_on_pending_request_may_lose_it",
	  KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB,
	  { initiator_takes_shortcut, host_resumes },
	  true },
	{ "deferral_on_pending_request_never_loses_it",
	  KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB,
	  { initiator_defers, host_resumes },
	  false },
	{ "deferral_on_mark_never_loses_it",
	  KVM_VCPU_PREEMPTED,
	  { initiator_defers, host_resumes },
	  false },
};

enum { NR_TESTS = sizeof(tests) / sizeof(tests[0]) };

/* The first two CPUs that we may use; false if there is only one. */
static bool choose_cpus(unsigned ret_cpu[2])
{
	cpu_set_t set;
	unsigned nr = 0;

	if (sched_getaffinity(0, sizeof(set), &set))
		return false;
	for (unsigned cpu = 0; cpu < CPU_SETSIZE && nr < 2; cpu++)
		if (CPU_ISSET(cpu, &set))
			ret_cpu[nr++] = cpu;
	return nr == 2;
}

int main(void)
{
	unsigned cpu[2];
	uint64_t number = 0;
	pthread_t second;
	bool ok = true;

	if (!choose_cpus(cpu)) {
		printf("1..0 # SKIP needs two CPUs\n");
		return EXIT_SUCCESS;
	}
	printf("1..%d\n", NR_TESTS);
	pin_to_cpu(cpu[0]);
	if (pthread_create(&second, NULL, second_thread, &cpu[1])) {
		printf("Bail out! cannot create a thread\n");
		return EXIT_FAILURE;
	}
	for (unsigned i = 0; i < NR_TESTS; i++)
		ok &= run_litmus(&tests[i], i + 1, &number);
	litmus = NULL;
	meet(0, ++number);
	pthread_join(second, NULL);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
