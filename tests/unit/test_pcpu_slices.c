/* SPDX-License-Identifier: MIT */
/* When a pCPU changes hands against its holder's will: slices, kicks, the grace. */
#define _GNU_SOURCE /* SCHED_RESET_ON_FORK */
#include "unit.h"

#include <sched.h>

#include "libc_failures.h"
#include "pcpu_stage.h"
#include "vcpu/base/clock.h"

/* ---- slices ---------------------------------------------------------------------------- */

START_TEST(nobody_is_preempted_before_the_slice_is_over)
{
	struct stage s;

	stage_start_busy(&s, NEVER_OVER);
	stage_begin_waiting(&s, 2, ACQUIRE);
	s.actor[0].waited_ns = 77;
	ck_assert(!pcpus_slice_is_over(s.pcpus, 0));
	ck_assert(stage_call(&s, 0, PREEMPT));
	ck_assert_uint_eq(s.actor[0].waited_ns, 0);
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	stage_finish(&s);
}
END_TEST

START_TEST(after_the_slice_the_pcpu_goes_to_who_has_waited_longest)
{
	struct stage s;

	stage_start_busy(&s, OVER_AT_ONCE);
	stage_begin_waiting(&s, 3, ACQUIRE);
	stage_begin_waiting(&s, 2, ACQUIRE);
	stage_let_time_pass();
	ck_assert(pcpus_slice_is_over(s.pcpus, 0));
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 3, 0);
	stage_let_time_pass();
	stage_begin_waiting(&s, 3, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	stage_let_time_pass();
	stage_begin_waiting(&s, 2, PREEMPT);
	stage_assert_runs_on(&s, 0, 0);
	ck_assert_uint_gt(s.actor[0].waited_ns, 0);
	stage_finish(&s);
}
END_TEST

START_TEST(a_slice_goes_on_while_nobody_waits_at_home)
{
	struct stage s;

	stage_start_busy(&s, OVER_AT_ONCE);
	stage_begin_waiting(&s, 4, ACQUIRE);
	stage_let_time_pass();
	ck_assert(!pcpus_slice_is_over(s.pcpus, 0));
	ck_assert(pcpus_slice_is_over(s.pcpus, 1));
	s.actor[0].waited_ns = 77;
	ck_assert(stage_call(&s, 0, PREEMPT));
	ck_assert_uint_eq(s.actor[0].waited_ns, 0);
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	stage_finish(&s);
}
END_TEST

/* Or else all pCPUs would begin a run in step. */
START_TEST(the_first_slice_of_the_first_vcpu_has_its_jitter_as_well)
{
	uint64_t shortest_ns = UINT64_MAX, longest_ns = 0;

	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct pcpu_config config = stage_config(100000000);
		struct stage s;

		config.slices.jitter_pct = 25;
		config.seed = seed;
		stage_start(&s, config);
		ck_assert(stage_call(&s, 0, ACQUIRE));
		stage_assert_runs_on(&s, 0, 0);
		uint64_t ns = s.pcpus->pcpu[0].slice_end_ns - s.pcpus->pcpu[0].slice_start_ns;
		ck_assert_uint_ge(ns, 75000000);
		ck_assert_uint_le(ns, 125000000);
		shortest_ns = ns < shortest_ns ? ns : shortest_ns;
		longest_ns = ns > longest_ns ? ns : longest_ns;
		stage_finish(&s);
	}
	ck_assert_uint_gt(longest_ns - shortest_ns, 10000000);
}
END_TEST

START_TEST(what_slices_were_asked_for_and_had_is_summed_up)
{
	const uint64_t asked_ns = 1000000;
	struct slice_sums sums;
	struct stage s;

	stage_start_busy(&s, asked_ns);
	stage_begin_waiting(&s, 2, ACQUIRE);
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	uint64_t late_ns = monotonic_ns() + 2 * asked_ns; /* the exit takes its time */
	while (monotonic_ns() < late_ns)
		sched_yield();
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	sums = pcpus_slice_sums(s.pcpus);
	ck_assert_uint_eq(sums.nr, 1);
	ck_assert_uint_ge(sums.asked_ns, asked_ns);
	ck_assert_uint_ge(sums.had_ns, sums.asked_ns + 2 * asked_ns);
	stage_call(&s, 2, BLOCK); /* by itself: its length was nobody's wish */
	ck_assert_uint_eq(pcpus_slice_sums(s.pcpus).nr, 1);
	stage_finish(&s);
}
END_TEST

/* Who would wait may have to wait for the host CPU before. */
START_TEST(of_real_time_threads_every_slice_has_an_end)
{
	struct stage s;

	pretend_policy(SCHED_FIFO);
	stage_start_busy(&s, OVER_AT_ONCE);
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	ck_assert(stage_call(&s, 0, PREEMPT)); /* nobody waits: it goes on, for another slice */
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	pretend_policy(-1);
	stage_finish(&s);
}
END_TEST

START_TEST(a_real_time_thread_lets_others_ask_before_it_goes_on)
{
	struct stage s;

	stage_start_busy(&s, OVER_AT_ONCE);
	unsigned before = times_yielded();
	pcpus_slice_is_over(s.pcpus, 0);
	ck_assert_uint_eq(times_yielded(), before);
	stage_finish(&s);
	pretend_policy(SCHED_RR | SCHED_RESET_ON_FORK);
	stage_start_busy(&s, OVER_AT_ONCE);
	before = times_yielded();
	pcpus_slice_is_over(s.pcpus, 0);
	ck_assert_uint_eq(times_yielded(), before + 1);
	pretend_policy(-1);
	stage_finish(&s);
}
END_TEST

START_TEST(a_preemption_with_nobody_waiting_begins_a_new_slice)
{
	/* All end on multiples of the slice, so that the second ends later than the first. */
	const uint64_t slice_ns = 20000000;
	struct pcpu_config config = stage_config(slice_ns);
	struct stage s;

	config.slices.alignment = SLICES_aligned;
	stage_start(&s, config);
	ck_assert(stage_call(&s, 0, ACQUIRE));
	uint64_t first = monotonic_ns() / slice_ns;
	while (monotonic_ns() / slice_ns == first)
		sched_yield();
	ck_assert(stage_call(&s, 0, PREEMPT));
	uint64_t begun = monotonic_ns() / slice_ns;
	ck_assert(stage_call(&s, 1, ACQUIRE));
	stage_begin_waiting(&s, 2, ACQUIRE);
	uint64_t waits = monotonic_ns() / slice_ns;
	/* Whoever has been given way to was waiting for the end of the second slice. */
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(s.pcpus, 0));
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	ck_assert_uint_gt(pcpus_expired_ns(s.pcpus, 2) / slice_ns, first + 1);
	/* That was when vCPU 2 came, if a busy machine kept it from coming earlier. */
	ck_assert_uint_le(pcpus_expired_ns(s.pcpus, 2) / slice_ns,
			  waits > begun ? waits : begun + 1);
	stage_finish(&s);
}
END_TEST

START_TEST(a_slice_that_somebody_waits_for_ends_with_a_kick)
{
	struct stage s;

	/* So long that a kick before the end would be seen. */
	stage_start_busy(&s, 50000000);
	stage_begin_waiting(&s, 2, ACQUIRE);
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(s.pcpus, 0));
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	/* Here somebody waits from the slice's beginning on. */
	ck_assert(stage_call(&s, 2, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(s.pcpus, 2));
	stage_finish(&s);
}
END_TEST

START_TEST(who_gets_a_released_pcpu_is_kicked_for_those_who_still_wait)
{
	struct stage s;

	stage_start_busy(&s, 1000000);
	stage_begin_waiting(&s, 2, ACQUIRE);
	stage_begin_waiting(&s, 3, ACQUIRE);
	stage_call(&s, 0, RELEASE);
	stage_assert_runs_on(&s, 2, 0);
	ck_assert(stage_call(&s, 2, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(s.pcpus, 2));
	stage_finish(&s);
}
END_TEST

START_TEST(who_comes_back_has_the_holder_kicked_whose_slice_nobody_waited_for)
{
	struct stage s;

	stage_start_busy(&s, 1000000);
	stage_begin_waiting(&s, 2, ACQUIRE); /* the slice of vCPU 0 has a timer */
	stage_call(&s, 0, RELEASE);
	stage_assert_runs_on(&s, 2, 0); /* and that of vCPU 2 has none, until: */
	stage_begin_waiting(&s, 0, ACQUIRE);
	ck_assert(stage_call(&s, 2, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(s.pcpus, 2));
	stage_finish(&s);
}
END_TEST

START_TEST(a_visitor_that_has_to_go_has_the_holder_of_its_home_kicked)
{
	struct stage s;

	stage_start(&s, stage_config(1000000));
	ck_assert(stage_call(&s, 0, ACQUIRE));
	ck_assert(stage_call(&s, 3, ACQUIRE));
	stage_assert_runs_on(&s, 3, 1);
	stage_begin_waiting(&s, 4, ACQUIRE);
	stage_begin_waiting(&s, 3, YIELD);
	stage_assert_runs_on(&s, 4, 1);
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(s.pcpus, 0));
	stage_finish(&s);
}
END_TEST

START_TEST(who_comes_after_the_end_of_a_slice_has_the_holder_kicked_at_once)
{
	struct stage s;

	stage_start_busy(&s, OVER_AT_ONCE);
	stage_let_time_pass();
	stage_begin_waiting(&s, 4, ACQUIRE);
	ck_assert(stage_call(&s, 1, AWAIT_KICK));
	stage_begin_waiting(&s, 1, YIELD);
	stage_assert_runs_on(&s, 4, 1);
	ck_assert(stage_call(&s, 4, AWAIT_KICK));
	stage_finish(&s);
}
END_TEST

START_TEST(only_who_was_waiting_for_a_slice_to_end_is_told_when_it_did)
{
	struct stage s;

	stage_start_busy(&s, OVER_AT_ONCE);
	ck_assert_uint_eq(pcpus_expired_ns(s.pcpus, 0), 0);
	stage_let_time_pass();
	/* A slice that lasts on since nobody waits ends when somebody comes. */
	uint64_t before_ns = monotonic_ns();
	stage_begin_waiting(&s, 2, ACQUIRE);
	uint64_t after_ns = monotonic_ns();
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	ck_assert_uint_ge(pcpus_expired_ns(s.pcpus, 2), before_ns);
	ck_assert_uint_le(pcpus_expired_ns(s.pcpus, 2), after_ns);

	stage_begin_waiting(&s, 2, YIELD);
	stage_assert_runs_on(&s, 0, 0);
	ck_assert_uint_eq(pcpus_expired_ns(s.pcpus, 0), 0);
	stage_call(&s, 0, RELEASE);
	stage_assert_runs_on(&s, 2, 0);
	ck_assert_uint_eq(pcpus_expired_ns(s.pcpus, 2), 0);
	stage_finish(&s);
}
END_TEST

/* ---- the grace of who is inside a shootdown ------------------------------------------------ */

static void start_with_grace(struct stage *s, uint64_t grace_ns)
{
	struct pcpu_config config = stage_config(OVER_AT_ONCE);

	config.grace_ns = grace_ns;
	stage_start(s, config);
	ck_assert(stage_call(s, 0, ACQUIRE));
	ck_assert(stage_call(s, 1, ACQUIRE));
	stage_begin_waiting(s, 2, ACQUIRE);
	ck_assert(stage_call(s, 0, AWAIT_KICK));
	stage_let_time_pass();
}

START_TEST(a_slice_is_extended_once_for_who_is_inside_a_shootdown)
{
	const uint64_t grace_ns = 1000;
	struct stage s;

	start_with_grace(&s, grace_ns);
	s.hint[0].critical = 1;
	s.actor[0].waited_ns = 77;
	uint64_t before_ns = monotonic_ns();
	ck_assert(stage_call(&s, 0, PREEMPT));
	uint64_t after_ns = monotonic_ns();
	ck_assert_uint_eq(s.actor[0].waited_ns, 0);
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	ck_assert_uint_eq(s.hint[0].extended, 1);
	ck_assert(stage_call(&s, 0, AWAIT_KICK)); /* at the end of the grace */
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	ck_assert_uint_ge(pcpus_expired_ns(s.pcpus, 2), before_ns + grace_ns);
	ck_assert_uint_le(pcpus_expired_ns(s.pcpus, 2), after_ns + grace_ns);

	/* The next slice may be extended again. */
	stage_begin_waiting(&s, 2, YIELD);
	stage_assert_runs_on(&s, 0, 0);
	ck_assert_uint_eq(s.hint[0].extended, 0);
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	stage_let_time_pass();
	ck_assert(stage_call(&s, 0, PREEMPT));
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	stage_finish(&s);
}
END_TEST

START_TEST(the_grace_ends_with_a_kick)
{
	struct stage s;

	start_with_grace(&s, 50000000);
	s.hint[0].critical = 1;
	ck_assert(stage_call(&s, 0, PREEMPT));
	/* The slice that is extended may have had a kick of its own. */
	do
		ck_assert(stage_call(&s, 0, AWAIT_KICK));
	while (!pcpus_slice_is_over(s.pcpus, 0));
	stage_finish(&s);
}
END_TEST

START_TEST(within_the_grace_the_slice_is_not_over)
{
	struct stage s;

	start_with_grace(&s, NEVER_OVER);
	s.hint[0].critical = 1;
	ck_assert(pcpus_slice_is_over(s.pcpus, 0));
	ck_assert(stage_call(&s, 0, PREEMPT));
	ck_assert(!pcpus_slice_is_over(s.pcpus, 0));
	ck_assert(stage_call(&s, 0, PREEMPT));
	ck_assert_uint_eq(stage_running(&s), BIT(0) | BIT(1));
	stage_finish(&s);
}
END_TEST

START_TEST(no_grace_for_who_does_not_ask_or_where_there_is_none)
{
	static const struct {
		uint64_t grace_ns;
		uint32_t critical;
		bool has_hint;
	} table[] = { { NEVER_OVER, 0, true }, { NEVER_OVER, 1, false }, { 0, 1, true } };

	for (unsigned k = 0; k < COUNT_OF(table); k++) {
		struct stage s;

		start_with_grace(&s, table[k].grace_ns);
		s.hint[0].critical = table[k].critical;
		if (!table[k].has_hint)
			s.pcpus->waiter[0].hint = NULL;
		stage_begin_waiting(&s, 0, PREEMPT);
		stage_assert_runs_on(&s, 2, 0);
		ck_assert_uint_eq(s.hint[0].extended, 0);
		stage_finish(&s);
	}
}
END_TEST

#define CASES(X)                                                              \
	X(nobody_is_preempted_before_the_slice_is_over)                       \
	X(after_the_slice_the_pcpu_goes_to_who_has_waited_longest)            \
	X(a_slice_goes_on_while_nobody_waits_at_home)                         \
	X(the_first_slice_of_the_first_vcpu_has_its_jitter_as_well)           \
	X(what_slices_were_asked_for_and_had_is_summed_up)                    \
	X(of_real_time_threads_every_slice_has_an_end)                        \
	X(a_real_time_thread_lets_others_ask_before_it_goes_on)               \
	X(a_preemption_with_nobody_waiting_begins_a_new_slice)                \
	X(a_slice_that_somebody_waits_for_ends_with_a_kick)                   \
	X(who_gets_a_released_pcpu_is_kicked_for_those_who_still_wait)        \
	X(who_comes_back_has_the_holder_kicked_whose_slice_nobody_waited_for) \
	X(a_visitor_that_has_to_go_has_the_holder_of_its_home_kicked)         \
	X(who_comes_after_the_end_of_a_slice_has_the_holder_kicked_at_once)   \
	X(only_who_was_waiting_for_a_slice_to_end_is_told_when_it_did)        \
	X(a_slice_is_extended_once_for_who_is_inside_a_shootdown)             \
	X(the_grace_ends_with_a_kick)                                         \
	X(within_the_grace_the_slice_is_not_over)                             \
	X(no_grace_for_who_does_not_ask_or_where_there_is_none)
UNIT_SUITE(pcpu_slices, CASES)
