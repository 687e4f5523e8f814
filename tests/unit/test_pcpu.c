/* SPDX-License-Identifier: MIT */
/* Who has which pCPU, and when: slots, yields, the policy's part, the end. */
#define _GNU_SOURCE
#include "unit.h"

#include <sched.h>
#include <string.h>
#include <sys/resource.h>

#include "libc_failures.h"
#include "pcpu_stage.h"
#include "vcpu/base/clock.h"
#include "vcpu/base/random.h"

/* ---- slots --------------------------------------------------------------------------- */

START_TEST(as_many_run_as_there_are_pcpus_and_never_two_on_one)
{
	struct stage s;

	stage_start_busy(&s, NEVER_OVER);
	stage_assert_runs_on(&s, 0, 0);
	stage_assert_runs_on(&s, 1, 1);
	for (unsigned i = 2; i < NR; i++) {
		stage_begin_waiting(&s, i, ACQUIRE);
		ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	}
	stage_call(&s, 0, RELEASE);
	ck_assert_uint_eq(stage_running(&s), BIT(1) | BIT(2));
	stage_assert_runs_on(&s, 2, 0);
	stage_call(&s, 1, RELEASE);
	ck_assert_uint_eq(stage_running(&s), BIT(2) | BIT(4));
	stage_assert_runs_on(&s, 4, 1);
	stage_call(&s, 4, RELEASE);
	/* Nobody is at home there: a visitor, rather than nobody. */
	ck_assert_uint_eq(stage_running(&s), BIT(2) | BIT(3));
	stage_assert_runs_on(&s, 3, 1);
	stage_finish(&s);
}
END_TEST

START_TEST(a_released_pcpu_goes_to_who_has_waited_longest)
{
	static const unsigned order[] = { 3, 5, 2 };
	struct stage s;
	unsigned holder = 0;

	stage_start_busy(&s, NEVER_OVER);
	for (unsigned k = 0; k < COUNT_OF(order); k++)
		stage_begin_waiting(&s, order[k], ACQUIRE);
	for (unsigned k = 0; k < COUNT_OF(order); k++) {
		stage_call(&s, holder, RELEASE);
		holder = order[k];
		ck_assert_uint_eq(stage_running(&s), BIT(holder) | BIT(1));
		stage_assert_runs_on(&s, holder, 0);
	}
	stage_finish(&s);
}
END_TEST

START_TEST(an_idle_pcpu_is_taken_at_once_the_one_at_home_first)
{
	struct stage s;

	stage_start(&s, stage_config(NEVER_OVER));
	ck_assert(stage_call(&s, 4, ACQUIRE));
	stage_assert_runs_on(&s, 4, 1);
	ck_assert(stage_call(&s, 1, ACQUIRE));
	stage_assert_runs_on(&s, 1, 0);
	stage_call(&s, 4, RELEASE);
	ck_assert_uint_eq(stage_running(&s), BIT(1));
	ck_assert(stage_call(&s, 3, ACQUIRE));
	stage_assert_runs_on(&s, 3, 1);
	stage_call(&s, 1, RELEASE);
	stage_call(&s, 3, RELEASE);
	ck_assert_uint_eq(stage_running(&s), 0);
	/* Both were visitors before, and are pinned at home again. */
	ck_assert(stage_call(&s, 1, ACQUIRE));
	stage_assert_runs_on(&s, 1, 1);
	ck_assert(stage_call(&s, 3, ACQUIRE));
	stage_assert_runs_on(&s, 3, 0);
	stage_finish(&s);
}
END_TEST

START_TEST(the_time_waited_is_that_between_the_call_and_the_pcpu)
{
	struct stage s;

	stage_start_busy(&s, NEVER_OVER);
	uint64_t before_ns = monotonic_ns();
	stage_begin_waiting(&s, 2, ACQUIRE);
	uint64_t waits_ns = monotonic_ns();
	stage_let_time_pass();
	uint64_t release_ns = monotonic_ns();
	stage_call(&s, 0, RELEASE);
	stage_assert_runs_on(&s, 2, 0);
	uint64_t after_ns = monotonic_ns();

	ck_assert_uint_ge(s.actor[2].waited_ns, release_ns - waits_ns);
	ck_assert_uint_le(s.actor[2].waited_ns, after_ns - before_ns);
	stage_finish(&s);
}
END_TEST

/* ---- yielding -------------------------------------------------------------------------- */

START_TEST(a_yield_lets_the_others_run_first)
{
	struct stage s;

	stage_start_busy(&s, NEVER_OVER);
	stage_begin_waiting(&s, 2, ACQUIRE);
	stage_begin_waiting(&s, 3, ACQUIRE);
	stage_begin_waiting(&s, 0, YIELD);
	ck_assert_uint_eq(stage_running(&s), BIT(1) | BIT(2));
	stage_assert_runs_on(&s, 2, 0);
	stage_call(&s, 2, RELEASE);
	ck_assert_uint_eq(stage_running(&s), BIT(1) | BIT(3));
	stage_assert_runs_on(&s, 3, 0);
	stage_call(&s, 3, RELEASE);
	stage_assert_runs_on(&s, 0, 0);
	ck_assert_uint_gt(s.actor[0].waited_ns, 0);
	stage_finish(&s);
}
END_TEST

START_TEST(a_yield_with_nobody_waiting_returns)
{
	struct stage s;

	stage_start_busy(&s, NEVER_OVER);
	ck_assert(stage_call(&s, 0, YIELD));
	ck_assert(stage_call(&s, 1, YIELD));
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	stage_finish(&s);
}
END_TEST

START_TEST(a_yield_to_somebody_puts_him_before_who_has_waited_longer)
{
	struct pcpu_config config = stage_config(NEVER_OVER);
	struct stage s;

	config.nr_pcpus = 1; /* so that vCPU 2 waits as the very first */
	stage_start(&s, config);
	ck_assert(stage_call(&s, 0, ACQUIRE));
	stage_begin_waiting(&s, 2, ACQUIRE);
	stage_begin_waiting(&s, 3, ACQUIRE);
	stage_begin_waiting(&s, 5, ACQUIRE);
	s.actor[0].target = 5;
	stage_begin_waiting(&s, 0, YIELD_TO);
	stage_assert_runs_on(&s, 5, 0);
	stage_call(&s, 5, RELEASE);
	stage_assert_runs_on(&s, 2, 0);
	stage_finish(&s);
}
END_TEST

START_TEST(a_yield_to_who_does_not_wait_changes_nothing)
{
	static const unsigned target[] = { 1, 4 }; /* it runs; it wants no pCPU */
	struct stage s;

	stage_start_busy(&s, NEVER_OVER);
	stage_begin_waiting(&s, 2, ACQUIRE);
	for (unsigned k = 0; k < COUNT_OF(target); k++) {
		s.actor[0].target = target[k];
		s.actor[0].waited_ns = 77;
		ck_assert(stage_call(&s, 0, YIELD_TO));
		ck_assert_uint_eq(s.actor[0].waited_ns, 0);
		ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	}
	stage_finish(&s);
}
END_TEST

/* ---- the policy --------------------------------------------------------------------------- */

/* What it was shown last; picks the highest index that waits. */
static struct sched_view shown;
static struct sched_entity shown_entity[NR];

static int pick_highest(const struct sched_view *view)
{
	shown = *view;
	memcpy(shown_entity, view->entity, sizeof(shown_entity));
	for (int i = (int)view->nr_entities - 1; i >= 0; i--) {
		if (view->entity[i].state == SCHED_READY)
			return i;
	}
	return -1;
}

static struct pcpu_config config_of(const struct sched_policy *policy, uint64_t seed)
{
	struct pcpu_config config = stage_config(NEVER_OVER);

	config.policy = policy;
	config.seed = seed;
	return config;
}

START_TEST(the_policy_decides_and_sees_all_that_it_may_depend_on)
{
	static const struct sched_policy policy = { .pick = pick_highest };
	static const struct sched_entity expected[NR] = {
		{ .vm = 0, .gang = 0, .home = 0 }, { .vm = 0, .gang = 0, .home = 1 },
		{ .vm = 0, .gang = 1, .home = 0 }, { .vm = 1, .gang = 2, .home = 0 },
		{ .vm = 1, .gang = 2, .home = 1 }, { .vm = 1, .gang = 3, .home = 0 },
	};
	struct stage s;

	stage_start(&s, config_of(&policy, 1));
	ck_assert(stage_call(&s, 0, ACQUIRE));
	ck_assert(stage_call(&s, 1, ACQUIRE));
	for (unsigned i = 2; i < NR; i++)
		stage_begin_waiting(&s, i, ACQUIRE);
	stage_call(&s, 1, RELEASE);
	stage_assert_runs_on(&s, 5, 1);
	ck_assert_uint_eq(shown.pcpu, 1);
	ck_assert_uint_eq(shown.nr_entities, NR);
	ck_assert_uint_eq(shown.nr_gangs, 4);
	ck_assert_uint_eq(shown.turn, sched_turn(&s.pcpus->config.slices, monotonic_ns()));
	for (unsigned i = 0; i < NR; i++) {
		ck_assert_uint_eq(shown_entity[i].vm, expected[i].vm);
		ck_assert_uint_eq(shown_entity[i].gang, expected[i].gang);
		ck_assert_uint_eq(shown_entity[i].home, expected[i].home);
		ck_assert(i < 2 || shown_entity[i].state == SCHED_READY);
		ck_assert(i < 3 || shown_entity[i].ready_since > shown_entity[i - 1].ready_since);
	}
	stage_call(&s, 0, RELEASE);
	stage_assert_runs_on(&s, 4, 0);
	ck_assert_uint_eq(shown.pcpu, 0);
	/* Its turn came when all the others were waiting already. */
	ck_assert_uint_gt(shown_entity[5].granted_at, shown_entity[4].ready_since);
	stage_finish(&s);
}
END_TEST

START_TEST(every_vcpu_is_a_gang_of_its_own_where_there_is_one_pcpu)
{
	static const struct sched_policy policy = { .pick = pick_highest };
	struct pcpu_config config = config_of(&policy, 1);
	struct stage s;

	config.nr_pcpus = 1;
	stage_start(&s, config);
	ck_assert(stage_call(&s, 0, ACQUIRE));
	stage_call(&s, 0, RELEASE);
	ck_assert_uint_eq(shown.nr_gangs, NR);
	for (unsigned i = 0; i < NR; i++)
		ck_assert_uint_eq(shown_entity[i].gang, i);
	stage_finish(&s);
}
END_TEST

START_TEST(who_is_awaited_is_read_for_a_policy_that_asks)
{
	static const struct sched_policy policies[] = {
		{ .pick = pick_highest, .uses_hints = true },
		{ .pick = pick_highest },
	};

	for (unsigned k = 0; k < COUNT_OF(policies); k++) {
		struct stage s;

		stage_start(&s, config_of(&policies[k], 1));
		s.hint[0].awaited = 1;
		s.hint[2].awaited = 3;
		s.hint[4].critical = 1;
		s.hint[NR - 1].awaited = 1;
		s.pcpus->waiter[3].hint = NULL;
		ck_assert(stage_call(&s, 0, ACQUIRE));
		stage_call(&s, 0, RELEASE);
		for (unsigned i = 0; i < NR; i++)
			ck_assert(shown_entity[i].awaited ==
				  ((i == 0 || i == 2 || i == NR - 1) && policies[k].uses_hints));
		stage_finish(&s);
	}
}
END_TEST

START_TEST(the_seed_decides_the_random_numbers)
{
	static const struct sched_policy policy = { .pick = pick_highest };
	static const uint64_t seeds[] = { 1, 1, 2 };
	uint64_t drawn[COUNT_OF(seeds)][2];

	for (unsigned k = 0; k < COUNT_OF(seeds); k++) {
		struct stage s;

		stage_start(&s, config_of(&policy, seeds[k]));
		for (unsigned n = 0; n < 2; n++) {
			ck_assert(stage_call(&s, 0, ACQUIRE));
			stage_call(&s, 0, RELEASE);
			drawn[k][n] = shown.random;
		}
		ck_assert_uint_ne(drawn[k][0], drawn[k][1]);
		stage_finish(&s);
	}
	ck_assert_mem_eq(drawn[0], drawn[1], sizeof(drawn[0]));
	ck_assert_uint_ne(drawn[0][0], drawn[2][0]);
}
END_TEST

/* ---- the end, and the kernel as the scheduler ----------------------------------------------- */

START_TEST(at_the_end_nobody_waits_any_longer)
{
	struct stage s;

	stage_start_busy(&s, OVER_AT_ONCE);
	stage_begin_waiting(&s, 2, ACQUIRE);
	stage_begin_waiting(&s, 3, ACQUIRE);
	stage_begin_waiting(&s, 4, ACQUIRE);
	stage_begin_waiting(&s, 1, YIELD);
	stage_let_time_pass();
	ck_assert(!pcpus_are_stopping(s.pcpus));
	pcpus_stop(s.pcpus);
	ck_assert(pcpus_are_stopping(s.pcpus));
	ck_assert(!stage_end(&s, 1));
	ck_assert(!stage_end(&s, 2));
	ck_assert(!stage_end(&s, 3));
	ck_assert(!stage_call(&s, 0, PREEMPT));
	ck_assert(!stage_call(&s, 0, YIELD));
	s.actor[0].target = 2;
	ck_assert(!stage_call(&s, 0, YIELD_TO));
	s.actor[0].target = 5;
	ck_assert(!stage_call(&s, 0, YIELD_TO));
	ck_assert(!stage_call(&s, 5, ACQUIRE));
	stage_finish(&s);
}
END_TEST

START_TEST(the_kernel_as_the_scheduler_gives_everybody_a_pcpu)
{
	struct stage s;

	stage_start(&s, stage_config(OVER_AT_ONCE));
	pcpus_let_kernel_schedule(s.pcpus, true);
	for (unsigned i = 0; i < NR; i++) {
		ck_assert(stage_call(&s, i, ACQUIRE));
		ck_assert_int_eq(s.actor[i].host_cpu, s.host_cpu[i % PER_VM % NR_PCPUS]);
	}
	ck_assert_uint_eq(stage_running(&s), BIT(NR) - 1);
	stage_let_time_pass();
	for (unsigned i = 0; i < NR; i++) {
		ck_assert(!pcpus_slice_is_over(s.pcpus, i));
		ck_assert_int_eq(pcpus_held_by(s.pcpus, i), -1);
		s.actor[i].target = (i + 1) % NR;
		for (enum call c = PREEMPT; c <= YIELD_TO; c++) {
			s.actor[i].waited_ns = 77;
			ck_assert(stage_call(&s, i, c));
			ck_assert_uint_eq(s.actor[i].waited_ns, 0);
		}
	}
	for (unsigned i = 0; i < NR; i++)
		stage_call(&s, i, RELEASE);
	ck_assert_uint_eq(stage_running(&s), 0);

	pcpus_let_kernel_schedule(s.pcpus, false);
	ck_assert(stage_call(&s, 0, ACQUIRE));
	ck_assert(stage_call(&s, 1, ACQUIRE));
	stage_begin_waiting(&s, 2, ACQUIRE);
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	ck_assert(!pcpus_is_blocked(s.pcpus, 0));
	ck_assert(pcpus_is_blocked(s.pcpus, 3));
	stage_finish(&s);
}
END_TEST

/* Whatever a phase needs, and before the first one. */
START_TEST(the_hosts_policy_gives_everybody_all_host_cpus)
{
	struct pcpu_config config = stage_config(OVER_AT_ONCE);
	struct stage s;

	config.policy = &sched_policies[POLICY_host];
	stage_start(&s, config);
	int only = s.host_cpu[0] == s.host_cpu[1] ? s.host_cpu[0] : -1;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < NR; i++) {
			ck_assert(stage_call(&s, i, ACQUIRE));
			ck_assert_int_eq(s.actor[i].host_cpu, only);
			ck_assert(!pcpus_slice_is_over(s.pcpus, i));
			ck_assert_int_eq(pcpus_held_by(s.pcpus, i), -1);
		}
		ck_assert_uint_eq(stage_running(&s), BIT(NR) - 1);
		for (unsigned i = 0; i < NR; i++)
			stage_call(&s, i, RELEASE);
		ck_assert_uint_eq(stage_running(&s), 0);
		pcpus_let_kernel_schedule(s.pcpus, round == 0);
	}
	stage_finish(&s);
}
END_TEST

START_TEST(a_timer_that_cannot_be_had_is_reported)
{
	struct rlimit limit, no_timers = { 0 };
	struct pcpu_config config = stage_config(NEVER_OVER);
	struct pcpus *p;
	struct error err;
	int host_cpu[NR_PCPUS];

	stage_choose_host_cpus(host_cpu);
	config.host_cpu = host_cpu;
	p = pcpus_create(&config, &err);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(getrlimit(RLIMIT_SIGPENDING, &limit), 0);
	no_timers.rlim_max = limit.rlim_max;
	ck_assert_int_eq(setrlimit(RLIMIT_SIGPENDING, &no_timers), 0);
	int failed = pcpus_attach(p, 0, &err);
	setrlimit(RLIMIT_SIGPENDING, &limit);
	ck_assert_int_eq(failed, -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "cannot create a slice timer "));
	pcpus_destroy(p);
}
END_TEST

/* In a thread of its own, which keeps what it was given. */
static void *attach(void *argument)
{
	struct error err;

	if (pcpus_attach(argument, 0, &err))
		return NULL;
	return (void *)(intptr_t)(sched_getscheduler(0) + 1);
}

static int policy_after_attaching(int policy)
{
	struct pcpu_config config = stage_config(NEVER_OVER);
	struct pcpus *p;
	struct error err;
	int host_cpu[NR_PCPUS];
	pthread_t thread;
	void *after = NULL;

	stage_choose_host_cpus(host_cpu);
	config.host_cpu = host_cpu;
	p = pcpus_create(&config, &err);
	ck_assert_ptr_nonnull(p);
	ck_assert_int_eq(sched_setscheduler(0, policy, &(struct sched_param){ 0 }), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, attach, p), 0);
	pthread_join(thread, &after);
	pcpus_destroy(p);
	return (int)(intptr_t)after - 1;
}

START_TEST(who_is_woken_does_not_preempt_its_waker_unless_the_user_wants_it_so)
{
	ck_assert_int_eq(policy_after_attaching(SCHED_OTHER), SCHED_BATCH);
	ck_assert_int_eq(policy_after_attaching(SCHED_IDLE), SCHED_IDLE);
}
END_TEST

START_TEST(memory_that_cannot_be_had_is_reported)
{
	struct pcpu_config config = stage_config(NEVER_OVER);
	static const int host_cpu[NR_PCPUS];
	struct error err;

	config.host_cpu = host_cpu;
	for (unsigned more = 0; more < 4 + NR_PCPUS; more++) {
		fail_allocation_after(more);
		ck_assert_ptr_null(pcpus_create(&config, &err));
		ck_assert_int_eq(err.status, EXIT_HOST);
		ck_assert_ptr_nonnull(strstr(err.text, "not enough memory for 6 vCPUs"));
	}
}
END_TEST

START_TEST(slice_timers_are_gone_when_all_is_over)
{
	struct itimerspec when;
	timer_t timer[NR];
	struct stage s;

	stage_start(&s, stage_config(NEVER_OVER));
	for (unsigned i = 0; i < NR; i++) {
		timer[i] = s.pcpus->waiter[i].slice_timer;
		ck_assert_int_eq(timer_gettime(timer[i], &when), 0);
	}
	stage_finish(&s);
	for (unsigned i = 0; i < NR; i++)
		ck_assert_int_eq(timer_gettime(timer[i], &when), -1);
}
END_TEST

/* For a vCPU that has no slice; the thread's own signal. */
START_TEST(a_kick_that_was_asked_for_comes_even_at_once)
{
	struct itimerspec when;
	struct stage s;

	stage_start(&s, stage_config(NEVER_OVER));
	pcpus_kick_in(s.pcpus, 3, UINT64_MAX);
	timer_gettime(s.pcpus->waiter[3].slice_timer, &when);
	ck_assert_int_eq(when.it_value.tv_sec, 0);
	ck_assert_int_eq(when.it_value.tv_nsec, 0);
	pcpus_kick_in(s.pcpus, 3, NEVER_OVER);
	timer_gettime(s.pcpus->waiter[3].slice_timer, &when);
	ck_assert_int_gt(when.it_value.tv_sec, 1000);
	pcpus_kick_in(s.pcpus, 3, 0);
	ck_assert(stage_call(&s, 3, AWAIT_KICK));
	stage_finish(&s);
}
END_TEST

/* ---- stress ---------------------------------------------------------------------------------- */

#define ROUNDS 2000

struct crowd {
	struct pcpus *pcpus;
	unsigned owner[NR_PCPUS]; /* atomic: index + 1 of who has it, or 0 */
	unsigned nr_clashes;	  /* atomic */
	unsigned nr_attached;	  /* atomic */
};

struct member {
	struct crowd *crowd;
	unsigned i;
	pthread_t thread;
};

static void take_possession(struct member *m)
{
	unsigned *owner = &m->crowd->owner[m->crowd->pcpus->entity[m->i].pcpu];

	if (__atomic_exchange_n(owner, m->i + 1, __ATOMIC_SEQ_CST) != 0)
		__atomic_fetch_add(&m->crowd->nr_clashes, 1, __ATOMIC_RELAXED);
}

static void give_up_possession(struct member *m)
{
	unsigned *owner = &m->crowd->owner[m->crowd->pcpus->entity[m->i].pcpu];

	if (__atomic_exchange_n(owner, 0, __ATOMIC_SEQ_CST) != m->i + 1)
		__atomic_fetch_add(&m->crowd->nr_clashes, 1, __ATOMIC_RELAXED);
}

/* Ends if nobody is ever forgotten. */
static void *live(void *argument)
{
	struct member *m = argument;
	struct pcpus *p = m->crowd->pcpus;
	uint64_t random = m->i, waited_ns;
	struct error err;

	if (!pcpus_attach(p, m->i, &err))
		__atomic_fetch_add(&m->crowd->nr_attached, 1, __ATOMIC_RELAXED);
	pcpus_acquire(p, m->i, &waited_ns);
	for (unsigned round = 0; round < ROUNDS; round++) {
		take_possession(m);
		uint64_t what = random_next(&random);
		give_up_possession(m);
		switch (what % 4) {
		case 0:
			pcpus_preempt(p, m->i, &waited_ns);
			break;
		case 1:
			pcpus_yield(p, m->i, &waited_ns);
			break;
		case 2:
			pcpus_yield_to(p, m->i, (what >> 32) % NR, &waited_ns);
			break;
		default:
			pcpus_release(p, m->i, SLICE_halted);
			pcpus_acquire(p, m->i, &waited_ns);
		}
	}
	pcpus_release(p, m->i, SLICE_halted);
	return NULL;
}

START_TEST(under_stress_a_pcpu_has_one_holder_and_nobody_is_forgotten)
{
	struct pcpu_config config = stage_config(20000);
	struct crowd c = { .nr_clashes = 0 };
	struct member member[NR];
	struct error err;
	int host_cpu[NR_PCPUS];

	stage_choose_host_cpus(host_cpu);
	config.host_cpu = host_cpu;
	stage_block_kicks();
	c.pcpus = pcpus_create(&config, &err);
	ck_assert_ptr_nonnull(c.pcpus);
	for (unsigned i = 0; i < NR; i++) {
		member[i] = (struct member){ .crowd = &c, .i = i };
		ck_assert_int_eq(pthread_create(&member[i].thread, NULL, live, &member[i]), 0);
	}
	for (unsigned i = 0; i < NR; i++)
		pthread_join(member[i].thread, NULL);
	ck_assert_uint_eq(c.nr_attached, NR);
	ck_assert_uint_eq(c.nr_clashes, 0);
	pcpus_destroy(c.pcpus);
}
END_TEST

#define CASES(X)                                                               \
	X(as_many_run_as_there_are_pcpus_and_never_two_on_one)                 \
	X(a_released_pcpu_goes_to_who_has_waited_longest)                      \
	X(an_idle_pcpu_is_taken_at_once_the_one_at_home_first)                 \
	X(the_time_waited_is_that_between_the_call_and_the_pcpu)               \
	X(a_yield_lets_the_others_run_first)                                   \
	X(a_yield_with_nobody_waiting_returns)                                 \
	X(a_yield_to_somebody_puts_him_before_who_has_waited_longer)           \
	X(a_yield_to_who_does_not_wait_changes_nothing)                        \
	X(the_policy_decides_and_sees_all_that_it_may_depend_on)               \
	X(every_vcpu_is_a_gang_of_its_own_where_there_is_one_pcpu)             \
	X(who_is_awaited_is_read_for_a_policy_that_asks)                       \
	X(the_seed_decides_the_random_numbers)                                 \
	X(at_the_end_nobody_waits_any_longer)                                  \
	X(the_kernel_as_the_scheduler_gives_everybody_a_pcpu)                  \
	X(the_hosts_policy_gives_everybody_all_host_cpus)                      \
	X(a_timer_that_cannot_be_had_is_reported)                              \
	X(who_is_woken_does_not_preempt_its_waker_unless_the_user_wants_it_so) \
	X(memory_that_cannot_be_had_is_reported)                               \
	X(slice_timers_are_gone_when_all_is_over)                              \
	X(a_kick_that_was_asked_for_comes_even_at_once)                        \
	X(under_stress_a_pcpu_has_one_holder_and_nobody_is_forgotten)
UNIT_SUITE(pcpu, CASES)
