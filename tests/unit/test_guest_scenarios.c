/* SPDX-License-Identifier: MIT */
/*
 * What scenarios are made of: who reads whose mappings, targets that are away, read-side sections
 * and grace periods; and what each fault replaces.
 */
#include "unit.h"

#include <string.h>

#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/mechanism.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/sections.h"
#include "guest_cpu.h"
#include "guest_double.h"

enum { NR_VCPUS = 3, OTHER = 0, SELF = 1, THIRD = 2, AWAY_US = 77 };

static struct percpu *const self = &percpus[SELF], *const other = &percpus[OTHER];
static struct targets asked; /* of the last shootdown */
static void (*during_flush)(void);

static void flush_targets(struct percpu *initiator, struct targets *targets)
{
	(void)initiator;
	asked = *targets;
	if (during_flush)
		during_flush();
	for_each_target (target, targets)
		guest_cpu_flush(target);
}

static const struct mechanism flushes = { .name = "flushes", .flush_others = flush_targets };

static void make_guest(uint32_t nr_targets)
{
	guest_double_vcpus(NR_VCPUS, nr_targets);
	for (uint32_t i = 0; i < NR_VCPUS; i++)
		percpus[i].mechanism = &flushes;
	during_flush = NULL;
	guest_cpu_run_as(SELF);
}

/* ---- who reads whose mappings -------------------------------------------------------------- */

START_TEST(a_vcpu_reads_in_turn_what_those_map_whose_target_it_is)
{
	for (uint32_t nr_targets = 0; nr_targets < NR_VCPUS; nr_targets++) {
		make_guest(nr_targets);
		for (unsigned i = 0; i <= nr_targets; i++)
			scenario_read_next(self);
		/* A window and a witness of each. */
		ck_assert_uint_eq(self->result->n.oracle_reads, 2 * nr_targets);
		for (uint32_t i = 0; i < NR_VCPUS; i++) {
			bool is_target = scenario_is_target(self, i);

			ck_assert_int_eq(guest_cpu_has_cached(SELF, paging_window_gva(i)),
					 is_target);
		}
		ck_assert(!scenario_is_target(self, SELF));
	}
}
END_TEST

/* ---- lazy: targets that are away ------------------------------------------------------------ */

static bool other_shoots; /* while the vCPU is away */
static bool is_nested;

static void other_rounds(void)
{
	is_nested = true;
	guest_cpu_run_as(OTHER);
	scenario_lazy.round(other);
	guest_cpu_run_as(SELF);
	is_nested = false;
}

static void work(uint64_t us)
{
	if (us != AWAY_US || is_nested || !other_shoots)
		return;
	other_rounds();
	ck_assert(!targets_have(&asked, SELF));
	ck_assert(targets_have(&asked, THIRD));
}

static void make_lazy_guest(uint64_t away)
{
	struct params params = { .away_us = AWAY_US, .away = away };

	make_guest(NR_VCPUS - 1);
	guest_works = work;
	other_shoots = true;
	scenario_lazy.init(&params, NR_VCPUS);
	oracle_check(self, OTHER); /* so that there is something to forget */
}

/* What it has cached must not be older than what the other one's last shootdown allows. */
static uint64_t stale_after_round(void)
{
	scenario_lazy.round(self);
	oracle_check(self, OTHER);
	return self->result->n.stale_reads;
}

START_TEST(who_is_away_is_left_out_and_flushes_when_it_comes_back)
{
	make_lazy_guest(PARAM_away_borrow);
	ck_assert_uint_eq(stale_after_round(), 0);
	ck_assert_uint_eq(stale_after_round(), 0);
}
END_TEST

START_TEST(who_comes_back_without_its_flush_is_caught)
{
	make_lazy_guest(PARAM_away_borrow);
	fault_select("skip-lazy-flush");
	ck_assert_uint_gt(stale_after_round(), 0);
}
END_TEST

START_TEST(to_load_other_tables_is_a_flush)
{
	make_lazy_guest(PARAM_away_switch);
	fault_select("skip-lazy-flush"); /* which has nothing to skip here */
	ck_assert_uint_eq(stale_after_round(), 0);
}
END_TEST

/* ---- sections ----------------------------------------------------------------------------------
 */

static unsigned waits;

static void third_leaves_at_last(void)
{
	ck_assert_uint_eq(hints[THIRD].awaited, 1);
	if (++waits == 20)
		section_boundary(&percpus[THIRD]);
}

static void third_enters(void)
{
	section_boundary(&percpus[THIRD]);
}

START_TEST(a_grace_period_ends_when_the_section_does)
{
	make_guest(NR_VCPUS - 1);
	guest_cpu.relax = third_leaves_at_last;
	sections_wait(self);
	ck_assert_uint_eq(waits, 0);
	ck_assert(targets_have(&asked, OTHER) && targets_have(&asked, THIRD));

	third_enters();
	sections_wait(self);
	ck_assert_uint_eq(waits, 20);
	ck_assert_uint_eq(hints[THIRD].awaited, 0);
	ck_assert_uint_eq(self->result->n.shootdowns, 2);
}
END_TEST

START_TEST(readers_are_looked_at_behind_the_barrier)
{
	make_guest(NR_VCPUS - 1);
	guest_cpu.relax = third_leaves_at_last;
	during_flush = third_enters;
	sections_wait(self);
	ck_assert_uint_eq(waits, 20);
}
END_TEST

/* It leaves the section and enters the next at once: nobody waits for that one. */
static void third_goes_on(void)
{
	ck_assert_uint_lt(waits++, 2);
	section_boundary(&percpus[THIRD]);
	section_boundary(&percpus[THIRD]);
}

START_TEST(the_next_section_is_not_waited_for)
{
	make_guest(NR_VCPUS - 1);
	guest_cpu.relax = third_goes_on;
	third_enters();
	sections_wait(self);
	ck_assert_uint_eq(waits, 1);
}
END_TEST

static uint32_t straggler;

static void straggler_leaves(void)
{
	waits++;
	section_boundary(&percpus[straggler]);
}

START_TEST(every_target_is_waited_for)
{
	make_guest(NR_VCPUS - 1);
	guest_cpu.relax = straggler_leaves;
	for_each_target (target, &self->targets) {
		straggler = target;
		waits = 0;
		section_boundary(&percpus[straggler]);
		sections_wait(self);
		ck_assert_uint_eq(waits, 1);
	}
}
END_TEST

START_TEST(a_grace_period_that_skips_readers_does_not_wait)
{
	make_guest(NR_VCPUS - 1);
	guest_cpu.relax = third_leaves_at_last;
	fault_select("skip-readers");
	third_enters();
	sections_wait(self);
	ck_assert_uint_eq(waits, 0);
}
END_TEST

/* ---- faults -------------------------------------------------------------------------------------
 */

/* How many steps differ from the sound ones; scenarios aside. */
static unsigned steps_replaced(const char *fault)
{
	const struct steps sound = steps;

	fault_select(fault);
	unsigned replaced = (steps.try_defer != sound.try_defer) +
			    (steps.answer_ipi != sound.answer_ipi) +
			    (steps.flush_self != sound.flush_self) +
			    (steps.catch_up != sound.catch_up) +
			    (steps.is_reading != sound.is_reading);
	steps = sound;
	return replaced;
}

START_TEST(each_fault_of_the_guest_replaces_one_step_and_those_of_the_host_none)
{
	ck_assert_uint_eq(steps_replaced("none"), 0);
#define X(id, name, shootdown, summary) \
	ck_assert_msg(steps_replaced(name) == (strncmp(summary, "guest", 5) == 0), "%s", name);
	MV_FAULTS(X)
#undef X
	ck_assert_str_eq(steps.scenario, "storm");
}
END_TEST

static uint8_t preempted_byte;

static void resume_it(void)
{
	preempted_byte = 0;
}

START_TEST(the_inverted_answers_are_inverted)
{
	fault_select("inverted-cmpxchg");
	preempted_byte = 0;
	ck_assert_int_eq(steps.try_defer(&preempted_byte), PV_RUNNING);
	preempted_byte = KVM_VCPU_PREEMPTED;
	guest_cpu.relax = resume_it;
	ck_assert_int_eq(steps.try_defer(&preempted_byte), PV_DEFERRED);
	ck_assert_uint_eq(preempted_byte, 0);
}
END_TEST

START_TEST(every_vcpu_has_an_arena_of_its_own)
{
	guest_double_vcpus(NR_VCPUS, 1);
	paging_add_arenas(NR_VCPUS);
	for (uint32_t i = 0; i < NR_VCPUS; i++) {
		ck_assert_ptr_nonnull(percpus[i].arena_table);
		ck_assert_ptr_eq(percpus[i].arena_table,
				 paging_leaf_table(&percpus[i], paging_arena_gva(i)));
		for (uint32_t k = 0; k < i; k++)
			ck_assert_ptr_ne(percpus[i].arena_table, percpus[k].arena_table);
	}
}
END_TEST

#define TESTS(X)                                                                \
	X(a_vcpu_reads_in_turn_what_those_map_whose_target_it_is)               \
	X(who_is_away_is_left_out_and_flushes_when_it_comes_back)               \
	X(who_comes_back_without_its_flush_is_caught)                           \
	X(to_load_other_tables_is_a_flush)                                      \
	X(a_grace_period_ends_when_the_section_does)                            \
	X(readers_are_looked_at_behind_the_barrier)                             \
	X(every_vcpu_has_an_arena_of_its_own)                                   \
	X(the_next_section_is_not_waited_for)                                   \
	X(every_target_is_waited_for)                                           \
	X(a_grace_period_that_skips_readers_does_not_wait)                      \
	X(each_fault_of_the_guest_replaces_one_step_and_those_of_the_host_none) \
	X(the_inverted_answers_are_inverted)

UNIT_SUITE(guest_scenarios, TESTS)
