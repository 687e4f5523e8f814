/* SPDX-License-Identifier: MIT */
/* How the guest goes through a phase: who waits for whom, and which time counts as the phase's. */
#include "unit.h"

#include <string.h>

#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/scenarios/phase.h"
#include "guest_cpu.h"

enum {
	SELF = 1,
	PHASE = 7,
	ARRIVAL_TICKS = 1000,
	ROUND_TICKS = 10,
	YIELD_TICKS = 100000,
	NR_ROUNDS = 3
};

static struct mv_control control;
static struct mv_result results[4];
static unsigned rounds[4], rounds_seen, waits, yields;

/* Who is there besides vCPU SELF, in the order of their coming and leaving. */
enum { NR_OTHERS = 3 };
static const uint32_t *others;
static uint64_t phases_before;

static struct percpu *vcpu(uint32_t i, uint32_t nr_vcpus)
{
	percpus[i].index = i;
	percpus[i].nr_vcpus = nr_vcpus;
	percpus[i].result = &results[i];
	return &percpus[i];
}

/* The phase ends within the last round. */
static void round_of(struct percpu *self)
{
	guest_cpu.tsc += ROUND_TICKS;
	if (++rounds[self->index] == NR_ROUNDS)
		control.phase = 0;
}

static void see_round(void)
{
	rounds_seen++;
}

static const struct scenario scenario = { .round = round_of };

/* The others come one by one, the last of them preempted on its way. */
static void let_next_arrive(void)
{
	uint32_t next = others[waits];

	ck_assert_uint_eq(rounds[SELF], 0);
	guest_cpu.tsc += ARRIVAL_TICKS;
	if (++waits < NR_OTHERS)
		percpus[next].phases++;
	else
		percpus[next].steal.preempted = KVM_VCPU_PREEMPTED;
}

/* And they come to the phase's end one by one: it is over, so they do nothing in it. */
static void let_next_leave(void)
{
	guest_cpu.tsc += YIELD_TICKS;
	ck_assert_uint_lt(yields, NR_OTHERS);
	struct percpu *next = vcpu(others[yields++], 4);

	next->phases = phases_before; /* let_next_arrive() may have counted it */
	phase_run(next, &scenario, &control);
}

static struct platform platform_of_test = { .yield = let_next_leave, .after_round = see_round };

static void go_through_phase(const uint32_t *order, uint64_t turn)
{
	others = order;
	phases_before = turn;
	waits = yields = rounds[SELF] = rounds_seen = 0;
	for (unsigned i = 0; i < NR_OTHERS; i++)
		percpus[others[i]].steal.preempted = 0;
	control.phase = PHASE;
	phase_run(vcpu(SELF, 1 + NR_OTHERS), &scenario, &control);
}

START_TEST(a_phase_lasts_from_when_all_are_in_it_until_a_vcpu_leaves)
{
	static const uint32_t orders[][NR_OTHERS] = { { 0, 2, 3 }, { 3, 2, 0 } };

	platform = &platform_of_test;
	guest_cpu.relax = let_next_arrive;
	for (unsigned turn = 0; turn < COUNT_OF(orders); turn++) {
		go_through_phase(orders[turn], turn);
		ck_assert_uint_eq(waits, NR_OTHERS);
		ck_assert_uint_eq(rounds[SELF], NR_ROUNDS);
		ck_assert_uint_eq(rounds_seen, NR_ROUNDS);
		ck_assert_uint_eq(yields, NR_OTHERS); /* until each had stopped */
		ck_assert_uint_eq(results[SELF].n.active_ns, (turn + 1) * NR_ROUNDS * ROUND_TICKS);
		for (unsigned i = 0; i < NR_OTHERS; i++) {
			ck_assert_uint_eq(rounds[others[i]], 0);
			ck_assert_uint_eq(results[others[i]].n.active_ns, 0);
		}
	}
}
END_TEST

START_TEST(times_of_phases_add_up_and_each_waits_for_its_own_end)
{
	platform = &platform_of_test;
	for (unsigned n = 1; n <= 3; n++) {
		rounds[0] = 0;
		control.phase = PHASE + n;
		phase_run(vcpu(0, 1), &scenario, &control);
		ck_assert_uint_eq(results[0].n.active_ns, n * NR_ROUNDS * ROUND_TICKS);
		ck_assert_uint_eq(percpus[0].phases, n);
	}
	ck_assert_uint_eq(yields, 0);
}
END_TEST

/* Another phase than the one that it began in is not this vCPU's. */
static void begin_next_phase(struct percpu *self)
{
	rounds[self->index]++;
	control.phase++;
}

START_TEST(the_next_phase_is_not_taken_for_this_one)
{
	static const struct scenario changes = { .round = begin_next_phase };

	platform = &platform_of_test;
	control.phase = PHASE;
	phase_run(vcpu(0, 1), &changes, &control);
	ck_assert_uint_eq(rounds[0], 1);
}
END_TEST

#define CASES(X)                                                     \
	X(a_phase_lasts_from_when_all_are_in_it_until_a_vcpu_leaves) \
	X(times_of_phases_add_up_and_each_waits_for_its_own_end)     \
	X(the_next_phase_is_not_taken_for_this_one)
UNIT_SUITE(guest_phase, CASES)
