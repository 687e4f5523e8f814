/* SPDX-License-Identifier: MIT */
/* Scheduling policies in simulated time: who gets how much, and is nobody forgotten. */
#include "unit.h"

#include <string.h>

#include "vcpu/base/random.h"
#include "vcpu/sched/sched_policy.h"

#define NR_PCPUS  2
#define NR_VMS	  2
#define PER_VM	  4
#define NR	  (NR_VMS * PER_VM)
#define NR_SLICES 4000

/* A machine whose slices all end at once; each step of time is one slice. */
struct sim {
	const struct sched_policy *policy;
	struct sched_entity entity[NR];
	int current[NR_PCPUS]; /* index, or -1 */
	unsigned slices[NR];   /* that each has had */
	uint64_t ticket;
	uint64_t random;
	uint64_t turn;
};

static void make_ready(struct sim *s, unsigned i)
{
	s->entity[i].state = SCHED_READY;
	s->entity[i].ready_since = s->ticket++;
}

static void sim_init(struct sim *s, const struct sched_policy *policy)
{
	*s = (struct sim){ .policy = policy, .random = 42 };
	for (unsigned i = 0; i < NR; i++) {
		unsigned vcpu = i % PER_VM;

		s->entity[i].vm = i / PER_VM;
		s->entity[i].gang = i / NR_PCPUS;
		s->entity[i].home = vcpu % NR_PCPUS;
		make_ready(s, i);
	}
	memset(s->current, 0xff, sizeof(s->current));
}

static void hand_over(struct sim *s, unsigned pcpu)
{
	struct sched_view view = {
		.entity = s->entity,
		.nr_entities = NR,
		.nr_gangs = NR / NR_PCPUS,
		.pcpu = pcpu,
		.turn = s->turn,
		.random = random_next(&s->random),
	};
	int next = s->policy->pick(&view);

	s->current[pcpu] = next;
	if (next < 0)
		return;
	ck_assert_int_lt(next, NR);
	ck_assert_int_eq(s->entity[next].state, SCHED_READY);
	s->entity[next].state = SCHED_RUNNING;
	s->entity[next].pcpu = pcpu;
	s->entity[next].granted_at = s->ticket;
	s->slices[next]++;
}

static void sim_step(struct sim *s)
{
	for (unsigned p = 0; p < NR_PCPUS; p++) {
		if (s->current[p] >= 0)
			make_ready(s, (unsigned)s->current[p]);
	}
	for (unsigned p = 0; p < NR_PCPUS; p++)
		hand_over(s, p);
	s->turn++;
}

START_TEST(every_policy_is_fair_in_the_long_run)
{
	for (unsigned k = 0; k < nr_sched_policies; k++) {
		struct sim s;
		const unsigned share = NR_SLICES * NR_PCPUS / NR;

		sim_init(&s, &sched_policies[k]);
		for (unsigned step = 0; step < NR_SLICES; step++)
			sim_step(&s);
		for (unsigned i = 0; i < NR; i++) {
			ck_assert_msg(s.slices[i] > share * 9 / 10 && s.slices[i] < share * 11 / 10,
				      "%s gave %u slices to %u, whose share is %u", s.policy->name,
				      s.slices[i], i, share);
		}
	}
}
END_TEST

START_TEST(round_robin_lets_nobody_wait_for_more_than_one_turn_of_the_others)
{
	struct sim s;
	unsigned before[NR];

	sim_init(&s, &sched_policies[POLICY_round_robin]);
	for (unsigned round = 0; round < 100; round++) {
		memcpy(before, s.slices, sizeof(before));
		for (unsigned step = 0; step < NR / NR_PCPUS; step++)
			sim_step(&s);
		for (unsigned i = 0; i < NR; i++)
			ck_assert_uint_eq(s.slices[i], before[i] + 1);
	}
}
END_TEST

START_TEST(no_policy_leaves_a_pcpu_idle_while_somebody_waits)
{
	for (unsigned k = 0; k < nr_sched_policies; k++) {
		struct sim s;

		sim_init(&s, &sched_policies[k]);
		/* All whose home is pCPU 0 are halted: the others spread over both. */
		for (unsigned i = 0; i < NR; i++) {
			if (s.entity[i].home == 0)
				s.entity[i].state = SCHED_BLOCKED;
		}
		for (unsigned step = 0; step < 100; step++) {
			sim_step(&s);
			ck_assert_msg(s.current[0] >= 0 && s.current[1] >= 0, "%s: step %u",
				      s.policy->name, step);
		}
	}
}
END_TEST

START_TEST(no_policy_picks_anybody_who_is_halted)
{
	for (unsigned k = 0; k < nr_sched_policies; k++) {
		struct sim s;

		sim_init(&s, &sched_policies[k]);
		for (unsigned i = 0; i < NR; i++)
			s.entity[i].state = SCHED_BLOCKED;
		sim_step(&s);
		ck_assert_int_eq(s.current[0], -1);
		ck_assert_int_eq(s.current[1], -1);
	}
}
END_TEST

START_TEST(a_vcpu_runs_at_home_while_others_wait_there)
{
	struct sim s;

	sim_init(&s, &sched_policies[POLICY_round_robin]);
	for (unsigned step = 0; step < 100; step++) {
		sim_step(&s);
		for (unsigned p = 0; p < NR_PCPUS; p++)
			ck_assert_uint_eq(s.entity[s.current[p]].home, p);
	}
}
END_TEST

START_TEST(random_draws_another_order_from_another_seed)
{
	struct sim a, b;
	unsigned same = 0;

	sim_init(&a, &sched_policies[POLICY_random]);
	sim_init(&b, &sched_policies[POLICY_random]);
	b.random = 43;
	for (unsigned step = 0; step < 1000; step++) {
		sim_step(&a);
		sim_step(&b);
		same += a.current[0] == b.current[0];
	}
	/* By chance: one in four. */
	ck_assert_uint_gt(same, 150);
	ck_assert_uint_lt(same, 400);
}
END_TEST

START_TEST(random_is_the_same_from_the_same_seed)
{
	struct sim a, b;

	sim_init(&a, &sched_policies[POLICY_random]);
	sim_init(&b, &sched_policies[POLICY_random]);
	for (unsigned step = 0; step < 1000; step++) {
		sim_step(&a);
		sim_step(&b);
		ck_assert_mem_eq(a.current, b.current, sizeof(a.current));
	}
}
END_TEST

START_TEST(gang_runs_siblings_at_the_same_time)
{
	struct sim s;

	sim_init(&s, &sched_policies[POLICY_gang]);
	for (unsigned step = 0; step < 100; step++) {
		sim_step(&s);
		ck_assert_uint_eq(s.entity[s.current[0]].gang, s.entity[s.current[1]].gang);
	}
}
END_TEST

/* Who a policy picks for pCPU 0 from three vCPUs. */
static int pick(enum sched_policy_index policy, const struct sched_entity entity[3], uint64_t turn)
{
	struct sched_view view = {
		.entity = entity,
		.nr_entities = 3,
		.nr_gangs = 2,
		.turn = turn,
	};

	return sched_policies[policy].pick(&view);
}

START_TEST(round_robin_picks_whoever_has_waited_longest_at_home)
{
	struct sched_entity entity[] = {
		{ .state = SCHED_READY, .ready_since = 5 },
		{ .state = SCHED_READY, .ready_since = 7 },
		{ .state = SCHED_READY, .ready_since = 1, .home = 1 },
	};

	ck_assert_int_eq(pick(POLICY_round_robin, entity, 0), 0);
	entity[1].ready_since = 3;
	ck_assert_int_eq(pick(POLICY_round_robin, entity, 0), 1);
	entity[0].state = entity[1].state = SCHED_RUNNING;
	ck_assert_int_eq(pick(POLICY_round_robin, entity, 0), 2);
	entity[2].state = SCHED_BLOCKED;
	ck_assert_int_eq(pick(POLICY_round_robin, entity, 0), -1);
}
END_TEST

START_TEST(boost_picks_the_awaited_one_that_has_waited_longest)
{
	struct sched_entity entity[] = {
		{ .state = SCHED_READY, .ready_since = 9, .awaited = true },
		{ .state = SCHED_READY, .ready_since = 5 },
		{ .state = SCHED_READY, .ready_since = 8 },
	};

	ck_assert_int_eq(pick(POLICY_boost, entity, 0), 0);
	entity[2].awaited = true;
	ck_assert_int_eq(pick(POLICY_boost, entity, 0), 2);
	entity[2].granted_at = 6; /* it had its turn while vCPU 1 waited */
	ck_assert_int_eq(pick(POLICY_boost, entity, 0), 0);
	entity[0].awaited = entity[2].awaited = false;
	ck_assert_int_eq(pick(POLICY_boost, entity, 0), 1);

	entity[0] =
		(struct sched_entity){ .state = SCHED_READY, .ready_since = 7, .awaited = true };
	entity[2] =
		(struct sched_entity){ .state = SCHED_READY, .ready_since = 8, .awaited = true };
	ck_assert_int_eq(pick(POLICY_boost, entity, 0), 0);
}
END_TEST

/* As after two vCPUs have been yielded to: their tickets are the same. */
START_TEST(of_equals_the_one_with_the_lower_index_runs_first)
{
	struct sched_entity entity[] = {
		{ .state = SCHED_BLOCKED },
		{ .state = SCHED_READY, .awaited = true },
		{ .state = SCHED_READY, .awaited = true },
	};

	ck_assert_int_eq(pick(POLICY_round_robin, entity, 0), 1);
	ck_assert_int_eq(pick(POLICY_boost, entity, 0), 1);
}
END_TEST

/* Behind the last vCPU stands one that is none, and would look as if it waited. */
START_TEST(no_policy_looks_beyond_the_last_vcpu)
{
	struct sched_entity entity[] = { { .state = SCHED_READY }, { .state = SCHED_READY } };

	for (unsigned k = 0; k < nr_sched_policies; k++) {
		for (unsigned random = 0; random < 4; random++) {
			struct sched_view view = {
				.entity = entity,
				.nr_entities = 1,
				.nr_gangs = 1,
				.random = random,
			};

			entity[0].state = SCHED_READY;
			ck_assert_int_eq(sched_policies[k].pick(&view), 0);
			entity[0].state = SCHED_BLOCKED;
			ck_assert_int_eq(sched_policies[k].pick(&view), -1);
		}
	}
}
END_TEST

START_TEST(gang_picks_from_the_gang_whose_turn_it_is)
{
	struct sched_entity entity[] = {
		{ .state = SCHED_READY, .ready_since = 9, .gang = 0 },
		{ .state = SCHED_READY, .ready_since = 5, .gang = 1 },
		{ .state = SCHED_BLOCKED },
	};

	for (uint64_t turn = 0; turn < 10; turn++) {
		ck_assert_int_eq(pick(POLICY_gang, entity, turn), (int)(turn % 2));
		/* Whoever has waited longer does not matter. */
		entity[0].ready_since ^= 8;
	}
	entity[0].state = SCHED_RUNNING;
	ck_assert_int_eq(pick(POLICY_gang, entity, 0), 1);
	/* The last of all is the first of its gang that waits. */
	entity[2] = (struct sched_entity){ .state = SCHED_READY, .ready_since = 7, .gang = 0 };
	ck_assert_int_eq(pick(POLICY_gang, entity, 0), 2);
}
END_TEST

START_TEST(policies_say_what_they_need)
{
	for (unsigned k = 0; k < nr_sched_policies; k++) {
		const char *name = sched_policies[k].name;

		ck_assert_int_eq(sched_policies[k].needs_alignment, strcmp(name, "gang") == 0);
		ck_assert_int_eq(sched_policies[k].uses_hints, strcmp(name, "boost") == 0);
		ck_assert_int_eq(sched_policies[k].is_hosts, strcmp(name, "host") == 0);
	}
}
END_TEST

/* The sequence that splitmix64 is known to give for this seed. */
START_TEST(random_numbers_are_those_of_splitmix64)
{
	static const uint64_t expected[] = { 6457827717110365317u, 3203168211198807973u,
					     9817491932198370423u, 4593380528125082431u,
					     16408922859458223821u };
	uint64_t state = 1234567;

	for (unsigned i = 0; i < COUNT_OF(expected); i++)
		ck_assert_uint_eq(random_next(&state), expected[i]);
}
END_TEST

START_TEST(boost_prefers_who_is_awaited)
{
	struct sim s;

	sim_init(&s, &sched_policies[POLICY_boost]);
	/* The last in the queue of pCPU 0. */
	s.entity[NR - 2].awaited = true;
	sim_step(&s);
	ck_assert_int_eq(s.current[0], NR - 2);
}
END_TEST

/* The initiator itself may be the one that waits, and only it can end the awaiting. */
START_TEST(boost_starves_nobody)
{
	struct sim s;

	sim_init(&s, &sched_policies[POLICY_boost]);
	for (unsigned i = 1; i < NR; i++)
		s.entity[i].awaited = true;
	for (unsigned step = 0; step < NR_SLICES; step++)
		sim_step(&s);
	ck_assert_uint_ge(s.slices[0], NR_SLICES * NR_PCPUS / NR - 1);
}
END_TEST

START_TEST(independent_slices_stay_within_the_jitter_and_use_all_of_it)
{
	struct sched_slices slices = { .slice_ns = 4000000, .jitter_pct = 25 };
	uint64_t random = 1, least = UINT64_MAX, most = 0, now_ns = 123456789;

	for (unsigned i = 0; i < 10000; i++) {
		uint64_t ns = sched_slice_end(&slices, 0, now_ns, random_next(&random)) - now_ns;

		least = ns < least ? ns : least;
		most = ns > most ? ns : most;
	}
	ck_assert_uint_ge(least, 3000000);
	ck_assert_uint_lt(least, 3010000);
	ck_assert_uint_le(most, 5000000);
	ck_assert_uint_gt(most, 4990000);
}
END_TEST

START_TEST(slices_without_jitter_have_one_length)
{
	struct sched_slices slices = { .slice_ns = 4000000 };

	for (uint64_t random = 0; random < 100; random++)
		ck_assert_uint_eq(sched_slice_end(&slices, 1, 1000, random), 4001000);
}
END_TEST

START_TEST(aligned_slices_end_together_and_later_than_now)
{
	struct sched_slices slices = { .slice_ns = 4000000, .jitter_pct = 25, .seed = 7 };

	slices.alignment = SLICES_aligned;
	for (uint64_t now_ns = 0; now_ns < 100000000; now_ns += 333333) {
		uint64_t end_ns = sched_slice_end(&slices, 0, now_ns, now_ns);

		ck_assert_uint_gt(end_ns, now_ns);
		ck_assert_uint_eq(end_ns, sched_slice_end(&slices, 1, now_ns, ~now_ns));
		ck_assert_uint_eq(sched_turn(&slices, end_ns), sched_turn(&slices, now_ns) + 1);
	}
}
END_TEST

/* A seed means the same slices in every version, or else no run could be repeated. */
START_TEST(the_grid_of_a_seed_is_always_the_same)
{
	static const uint64_t ends_ns[] = { 4237235, 8411226, 12243160, 16735229, 20260134 };
	struct sched_slices slices = {
		.slice_ns = 4000000, .jitter_pct = 25, .alignment = SLICES_aligned, .seed = 7
	};
	uint64_t now_ns = 4000000 - 1;

	for (unsigned k = 0; k < COUNT_OF(ends_ns); k++) {
		now_ns = sched_slice_end(&slices, 0, now_ns, 0);
		ck_assert_uint_eq(now_ns, ends_ns[k]);
	}
}
END_TEST

START_TEST(anti_slices_end_half_a_slice_apart)
{
	struct sched_slices slices = { .slice_ns = 4000000 };

	slices.alignment = SLICES_anti;
	for (uint64_t now_ns = 0; now_ns < 40000000; now_ns += 333333) {
		uint64_t even_ns = sched_slice_end(&slices, 0, now_ns, 0);
		uint64_t odd_ns = sched_slice_end(&slices, 1, now_ns, 0);

		ck_assert_uint_eq(even_ns % 4000000, 0);
		ck_assert_uint_eq(odd_ns % 4000000, 2000000);
		ck_assert_uint_gt(odd_ns, now_ns);
		ck_assert_uint_le(odd_ns, now_ns + 4000000);
		ck_assert_uint_eq(sched_slice_end(&slices, 2, now_ns, 0), even_ns);
	}
}
END_TEST

/* Only who waits, and only at home: others take a pCPU when it is idle anyway. */
START_TEST(waiters_are_those_who_are_ready_at_home)
{
	struct sched_entity entity[] = {
		{ .home = 0, .state = SCHED_BLOCKED },
		{ .home = 0, .state = SCHED_RUNNING },
		{ .home = 1, .state = SCHED_READY },
	};

	ck_assert(!sched_has_waiter(entity, 0, 0));
	ck_assert(!sched_has_waiter(entity, 3, 0));
	ck_assert(sched_has_waiter(entity, 3, 1));
	ck_assert(!sched_has_waiter(entity, 2, 1));
	entity[0].state = SCHED_READY;
	ck_assert(sched_has_waiter(entity, 3, 0));
}
END_TEST

#define CASES(X)                                                             \
	X(every_policy_is_fair_in_the_long_run)                              \
	X(round_robin_lets_nobody_wait_for_more_than_one_turn_of_the_others) \
	X(no_policy_leaves_a_pcpu_idle_while_somebody_waits)                 \
	X(no_policy_picks_anybody_who_is_halted)                             \
	X(a_vcpu_runs_at_home_while_others_wait_there)                       \
	X(random_draws_another_order_from_another_seed)                      \
	X(random_is_the_same_from_the_same_seed)                             \
	X(gang_runs_siblings_at_the_same_time)                               \
	X(boost_prefers_who_is_awaited)                                      \
	X(boost_starves_nobody)                                              \
	X(independent_slices_stay_within_the_jitter_and_use_all_of_it)       \
	X(slices_without_jitter_have_one_length)                             \
	X(aligned_slices_end_together_and_later_than_now)                    \
	X(the_grid_of_a_seed_is_always_the_same)                             \
	X(of_equals_the_one_with_the_lower_index_runs_first)                 \
	X(no_policy_looks_beyond_the_last_vcpu)                              \
	X(anti_slices_end_half_a_slice_apart)                                \
	X(waiters_are_those_who_are_ready_at_home)                           \
	X(round_robin_picks_whoever_has_waited_longest_at_home)              \
	X(boost_picks_the_awaited_one_that_has_waited_longest)               \
	X(gang_picks_from_the_gang_whose_turn_it_is)                         \
	X(policies_say_what_they_need)                                       \
	X(random_numbers_are_those_of_splitmix64)

UNIT_SUITE(sched_policy, CASES)
