/* SPDX-License-Identifier: MIT */
/*
 * Mechanisms and the interrupts below them, on vCPUs of the test's own: who is interrupted, who is
 * deferred, who is waited for, and that no ticket is given out twice.
 *
 * A vCPU that runs takes its interrupt while the initiator waits. One that is preempted takes it
 * when it is resumed, and a test says when that is.
 */
#include "unit.h"

#include <string.h>

#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/ipi.h"
#include "guest_cpu.h"
#include "guest_double.h"
#include "single_step.h"

enum {
	NR_VCPUS = 4,
	INITIATOR = 1,
	TARGET = 2,
	PREEMPTED = KVM_VCPU_PREEMPTED,
	DEFERRED = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB,
};

static struct percpu *const self = &percpus[INITIATOR];
static const struct mechanism *mechanism;

/* What the test makes of time: called whenever the initiator waits, with how often it did. */
static struct {
	void (*wait)(unsigned waits);
	unsigned waits;
	bool deaf[MV_MAX_VCPUS];     /* takes no interrupts */
	bool pending[MV_MAX_VCPUS];  /* has one */
	unsigned sent[MV_MAX_VCPUS]; /* so many times */
	unsigned yields_to[MV_MAX_VCPUS];
	unsigned destinations, shorthands, by_platform;
	uint32_t icr_high;
	struct targets flushed_by_host;
	unsigned host_flushes;
} world;

/* Whoever asks by interrupt has taken a ticket before, and says whose answer it awaits. */
static void deliver(uint32_t target)
{
	ck_assert_uint_gt(percpus[target].requested, percpus[target].acked);
	ck_assert_uint_gt(hints[target].awaited, 0);
	world.pending[target] = true;
	world.sent[target]++;
}

static void write_icr_low(uint32_t value)
{
	ck_assert_uint_eq(value & 0xff, VECTOR_SHOOTDOWN);
	ck_assert_uint_eq(value & ICR_ASSERT, ICR_ASSERT);
	if ((value & ICR_ALL_BUT_SELF) != ICR_ALL_BUT_SELF) {
		deliver(world.icr_high >> XAPIC_ID_SHIFT);
		return;
	}
	world.shorthands++;
	for (uint32_t i = 0; i < self->nr_vcpus; i++)
		if (i != INITIATOR)
			deliver(i);
}

static void write_device(uint64_t gpa, uint64_t value)
{
	switch (gpa - MV_XAPIC_GPA) {
	case XAPIC_ICR_HIGH:
		world.icr_high = (uint32_t)value;
		world.destinations++;
		break;
	case XAPIC_ICR_LOW:
		write_icr_low((uint32_t)value);
		break;
	default:
		ck_abort_msg("a store to 0x%llx", (unsigned long long)gpa);
	}
}

static void answer(uint32_t target)
{
	world.pending[target] = false;
	percpus[target].acked = percpus[target].requested;
}

static void initiator_waits(void)
{
	ck_assert_uint_lt(world.waits, 1000);
	if (world.wait)
		world.wait(world.waits);
	world.waits++;
	for (uint32_t i = 0; i < self->nr_vcpus; i++)
		if (world.pending[i] && !world.deaf[i])
			answer(i);
}

static void send_by_platform(uint32_t vcpu, uint32_t vector)
{
	ck_assert_uint_eq(vector, VECTOR_SHOOTDOWN);
	world.by_platform++;
	deliver(vcpu);
}

static void yield_to(uint32_t vcpu)
{
	world.yields_to[vcpu]++;
}

static void flush_by_host(const struct targets *targets)
{
	world.flushed_by_host = *targets;
	world.host_flushes++;
}

static const struct platform machine = {
	.send_ipi = send_by_platform,
	.yield_to = yield_to,
	.flush = flush_by_host,
};

static void preempt(uint32_t vcpu)
{
	world.deaf[vcpu] = true;
	pv_mark_preempted(&percpus[vcpu].steal.preempted);
}

/* Returns the byte as it was. */
static uint8_t resume(uint32_t vcpu)
{
	world.deaf[vcpu] = false;
	return pv_take(&percpus[vcpu].steal.preempted);
}

static void make_guest_of(uint32_t nr_vcpus, const char *name)
{
	static struct mv_result result;

	memset(&world, 0, sizeof(world));
	memset(percpus, 0, sizeof(percpus));
	memset(&result, 0, sizeof(result));
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		percpus[i].index = i;
		percpus[i].nr_vcpus = nr_vcpus;
		/* Others have asked before. */
		percpus[i].requested = percpus[i].acked = 10 + i;
	}
	self->result = &result;
	self->nr_targets = nr_vcpus - 1;
	for (uint32_t n = 1; n < nr_vcpus; n++)
		targets_add(&self->targets, targets_after(INITIATOR, n, nr_vcpus));
	guest_cpu.relax = initiator_waits;
	guest_cpu.write = write_device;
	platform = &machine;
	steps.try_defer = pv_try_defer;
	mechanism = mechanism_find(name);
	ck_assert_ptr_nonnull(mechanism);
}

static void make_guest(const char *name)
{
	make_guest_of(NR_VCPUS, name);
}

static const struct mv_counters *shoot_at(struct targets targets)
{
	mechanism->flush_others(self, &targets);
	for (uint32_t i = 0; i < self->nr_vcpus; i++)
		ck_assert_uint_eq(hints[i].awaited, 0);
	return &self->result->n;
}

static const struct mv_counters *shoot(void)
{
	return shoot_at(self->targets);
}

static struct targets one(uint32_t vcpu)
{
	struct targets targets = { 0 };

	targets_add(&targets, vcpu);
	return targets;
}

/* ---- interrupts ------------------------------------------------------------------------ */

START_TEST(every_target_is_interrupted_once_and_has_answered)
{
	make_guest("ipi");
	const struct mv_counters *n = shoot();

	for (uint32_t i = 0; i < NR_VCPUS; i++) {
		ck_assert_uint_eq(world.sent[i], i != INITIATOR);
		ck_assert_uint_eq(percpus[i].requested, 10 + i + (i != INITIATOR));
		ck_assert_uint_eq(percpus[i].acked, percpus[i].requested);
	}
	ck_assert_uint_eq(n->ipis_sent, NR_VCPUS - 1);
	ck_assert_uint_eq(n->flushes_deferred, 0);
	ck_assert_uint_eq(world.shorthands, 1);
	ck_assert_uint_eq(world.destinations, 0);
}
END_TEST

START_TEST(a_destination_is_written_when_it_changes_and_only_then)
{
	make_guest("ipi");
	shoot_at(one(TARGET));
	shoot_at(one(TARGET));
	ck_assert_uint_eq(world.destinations, 1);
	shoot_at(one(3));
	shoot_at(one(TARGET));
	ck_assert_uint_eq(world.destinations, 3);
	ck_assert_uint_eq(world.sent[TARGET], 3);
	ck_assert_uint_eq(world.sent[3], 1);
	ck_assert_uint_eq(world.shorthands, 0);
}
END_TEST

START_TEST(the_only_other_vcpu_is_named)
{
	make_guest_of(2, "ipi");
	shoot();
	ck_assert_uint_eq(world.shorthands, 0);
	ck_assert_uint_eq(world.sent[0], 1);
}
END_TEST

START_TEST(the_vcpu_that_the_xapic_cannot_name_is_left_to_the_platform)
{
	make_guest_of(256, "ipi");
	shoot_at(one(254));
	ck_assert_uint_eq(world.by_platform, 0);
	ck_assert_uint_eq(world.sent[254], 1);
	shoot_at(one(255));
	ck_assert_uint_eq(world.by_platform, 1);
	ck_assert_uint_eq(world.sent[255], 1);
}
END_TEST

static void hear_at_last(unsigned waits)
{
	ck_assert_uint_lt(percpus[TARGET].acked, percpus[TARGET].requested);
	if (waits == 20)
		world.deaf[TARGET] = false;
}

START_TEST(a_target_that_does_not_answer_is_waited_for)
{
	make_guest("ipi");
	world.deaf[TARGET] = true;
	world.wait = hear_at_last;
	shoot();
	ck_assert_uint_eq(world.waits, 21);
}
END_TEST

/* An answer to an earlier ticket, which was given to another initiator. */
static void answer_another_first(unsigned waits)
{
	ck_assert_uint_lt(percpus[TARGET].acked, 11 + TARGET);
	percpus[TARGET].acked = 10 + TARGET;
	if (waits == 20)
		world.deaf[TARGET] = false;
}

START_TEST(an_answer_to_an_earlier_ticket_is_none)
{
	make_guest("ipi");
	percpus[TARGET].acked = 9;
	world.deaf[TARGET] = true;
	world.wait = answer_another_first;
	shoot();
	ck_assert_uint_eq(world.waits, 21);
}
END_TEST

/*
 * Another initiator takes a ticket, and awaits the target, between any two instructions of ours.
 * If ours was taken in two steps, one of the two is lost.
 */
static unsigned tickets_of_another;

static void take_one_too(void)
{
	__atomic_fetch_add(&percpus[TARGET].requested, 1, __ATOMIC_RELAXED);
	__atomic_fetch_add(&hints[TARGET].awaited, 1, __ATOMIC_RELAXED);
	tickets_of_another++;
}

START_TEST(no_ticket_is_lost_or_given_twice_whoever_comes_between_two_instructions)
{
	make_guest("ipi");
	guest_cpu.relax = NULL;
	guest_cpu.write = NULL;
	struct targets targets = one(TARGET);
	uint64_t before = percpus[TARGET].requested;

	percpus[TARGET].acked = UINT64_MAX; /* nobody waits */
	single_step_begin(take_one_too);
	mechanism->flush_others(self, &targets);
	single_step_end();
	ck_assert_uint_gt(tickets_of_another, 50);
	ck_assert_uint_eq(percpus[TARGET].requested - before, 1 + tickets_of_another);
	ck_assert_uint_eq(hints[TARGET].awaited, tickets_of_another);
}
END_TEST

/* ---- deferrals ---------------------------------------------------------------------------- */

START_TEST(preempted_targets_are_deferred_and_the_others_interrupted)
{
	static const char *const names[] = { "pv", "pv-recheck", "pv-halted", "pv-kernel" };

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		make_guest(names[i]);
		preempt(TARGET);
		const struct mv_counters *n = shoot();

		ck_assert_uint_eq(percpus[TARGET].steal.preempted, DEFERRED);
		ck_assert_uint_eq(percpus[TARGET].requested, 10 + TARGET);
		ck_assert_uint_eq(world.sent[TARGET], 0);
		ck_assert_uint_eq(world.sent[0], 1);
		ck_assert_uint_eq(world.sent[3], 1);
		ck_assert_uint_eq(percpus[0].steal.preempted, 0);
		ck_assert_uint_eq(n->targets_preempted, 1);
		ck_assert_uint_eq(n->flushes_deferred, 1);
		ck_assert_uint_eq(n->defers_raced, 0);
		ck_assert_uint_eq(n->ipis_sent, 2);
	}
}
END_TEST

START_TEST(nobody_is_interrupted_where_all_are_preempted)
{
	make_guest("pv");
	for_each_target (target, &self->targets)
		preempt(target);
	ck_assert_uint_eq(shoot()->flushes_deferred, NR_VCPUS - 1);
	ck_assert_uint_eq(self->result->n.ipis_sent, 0);
	ck_assert_uint_eq(world.waits, 0);
}
END_TEST

static uint32_t vcpu_of_byte(const uint8_t *preempted)
{
	const char *first = (const char *)&percpus[0].steal.preempted;

	return (uint32_t)(((const char *)preempted - first) / (long)sizeof(percpus[0]));
}

/* The host takes the byte between the initiator's look and its exchange. */
static enum pv_defer lose_the_race(uint8_t *preempted)
{
	uint8_t seen = *preempted;

	if (!(seen & PREEMPTED))
		return PV_RUNNING;
	resume(vcpu_of_byte(preempted));
	return PV_RACED;
}

START_TEST(a_lost_race_sends_an_interrupt_and_waits)
{
	static const char *const names[] = { "pv", "pv-recheck" };

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		make_guest(names[i]);
		steps.try_defer = lose_the_race;
		preempt(TARGET);
		const struct mv_counters *n = shoot();

		ck_assert_uint_eq(world.sent[TARGET], 1);
		ck_assert_uint_eq(percpus[TARGET].acked, 11 + TARGET);
		ck_assert_uint_eq(n->targets_preempted, 1);
		ck_assert_uint_eq(n->flushes_deferred, 0);
		ck_assert_uint_eq(n->defers_raced, 1);
		ck_assert_uint_eq(n->ipis_sent, NR_VCPUS - 1);
	}
}
END_TEST

static void preempt_target_in_time(unsigned waits)
{
	if (waits == 5)
		preempt(TARGET);
}

static void preempt_target_and_resume_it(unsigned waits)
{
	if (waits == 5)
		preempt(TARGET);
	if (waits == 20)
		resume(TARGET);
}

START_TEST(pv_waits_for_a_target_that_is_preempted_behind_the_look)
{
	make_guest("pv");
	world.deaf[TARGET] = true;
	world.wait = preempt_target_and_resume_it;
	shoot();
	ck_assert_uint_eq(world.waits, 21);
	ck_assert_uint_eq(percpus[TARGET].acked, 11 + TARGET);
}
END_TEST

START_TEST(recheck_defers_it_and_waits_no_longer)
{
	make_guest("pv-recheck");
	world.deaf[TARGET] = true;
	world.wait = preempt_target_in_time;
	const struct mv_counters *n = shoot();

	ck_assert_uint_eq(world.waits, 6);
	ck_assert_uint_eq(world.sent[TARGET], 1);
	ck_assert_uint_eq(percpus[TARGET].acked, 10 + TARGET);
	ck_assert_uint_eq(percpus[TARGET].steal.preempted, DEFERRED);
	ck_assert_uint_eq(n->flushes_deferred, 1);
	ck_assert_uint_eq(n->rechecks_deferred, 1);
	ck_assert_uint_eq(n->targets_preempted, 0);
}
END_TEST

START_TEST(recheck_that_loses_the_race_goes_on_waiting)
{
	make_guest("pv-recheck");
	steps.try_defer = lose_the_race;
	world.deaf[TARGET] = true;
	world.wait = preempt_target_in_time;
	const struct mv_counters *n = shoot();

	ck_assert_uint_eq(world.sent[TARGET], 1);
	ck_assert_uint_eq(percpus[TARGET].acked, 11 + TARGET);
	ck_assert_uint_eq(n->rechecks_deferred, 0);
	ck_assert_uint_eq(n->flushes_deferred, 0);
	ck_assert_uint_eq(n->defers_raced, 1);
}
END_TEST

enum { NR_EVENTS = 16 };

static struct mv_trace_ring *begin_trace(void)
{
	static _Alignas(64) unsigned char memory[MV_TRACE_RING_BYTES(NR_EVENTS)];
	struct mv_trace_ring *ring = (struct mv_trace_ring *)memory;

	memset(memory, 0, sizeof(memory));
	ring->nr_events = NR_EVENTS;
	self->trace = ring;
	return ring;
}

static void assert_event(const struct mv_trace_event *event, enum mv_trace_kind kind,
			 unsigned index, uint64_t value)
{
	ck_assert_uint_eq(event->kind, kind);
	ck_assert_uint_eq(event->index, index);
	ck_assert_uint_eq(event->value, value);
}

START_TEST(a_trace_tells_what_became_of_each_target)
{
	make_guest("pv-recheck");
	preempt(0);
	world.deaf[TARGET] = true;
	world.wait = preempt_target_in_time;
	const struct mv_trace_ring *ring = begin_trace();
	shoot();

	ck_assert_uint_eq(ring->head, 4);
	assert_event(&ring->event[0], MV_TRACE_DEFER, 0, 1);
	assert_event(&ring->event[1], MV_TRACE_IPI, 0, 1u << TARGET | 1u << 3);
	assert_event(&ring->event[2], MV_TRACE_DEFER_LATE, TARGET, 0);
	assert_event(&ring->event[3], MV_TRACE_ACK, 3, 0);
}
END_TEST

static uint64_t last_gpa, last_value;

static void note_write(uint64_t gpa, uint64_t value)
{
	last_gpa = gpa;
	last_value = value;
}

START_TEST(an_apic_takes_interrupts_once_it_is_enabled)
{
	make_guest("ipi");
	guest_cpu.write = note_write;
	ipi_enable();
	ck_assert_uint_eq(last_gpa, MV_XAPIC_GPA + XAPIC_SPURIOUS);
	ck_assert_uint_eq(last_value, XAPIC_ENABLED | VECTOR_SPURIOUS);
}
END_TEST

/* ---- the others ------------------------------------------------------------------------------ */

START_TEST(ipi_defers_nothing_and_counts_who_is_preempted)
{
	static const char *const names[] = { "ipi", "ipi-yield" };

	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		make_guest(names[i]);
		preempt(TARGET);
		world.wait = preempt_target_and_resume_it;
		const struct mv_counters *n = shoot();

		ck_assert_uint_eq(world.waits, 21);
		ck_assert_uint_eq(percpus[TARGET].acked, 11 + TARGET);
		ck_assert_uint_eq(n->targets_preempted, 1);
		ck_assert_uint_eq(n->flushes_deferred, 0);
		/* It lends its pCPU while the target has none, and to nobody else. */
		ck_assert_uint_eq(world.yields_to[TARGET], i == 0 ? 0 : 20);
		ck_assert_uint_eq(world.yields_to[0] + world.yields_to[3], 0);
	}
}
END_TEST

START_TEST(hypercall_leaves_all_targets_to_the_host)
{
	make_guest("hypercall");
	preempt(TARGET);
	const struct mv_counters *n = shoot();

	ck_assert_uint_eq(world.host_flushes, 1);
	ck_assert_mem_eq(&world.flushed_by_host, &self->targets, sizeof(self->targets));
	ck_assert_uint_eq(percpus[TARGET].steal.preempted, PREEMPTED);
	ck_assert_uint_eq(n->targets_preempted, 1);
	ck_assert_uint_eq(n->ipis_sent, 0);
	ck_assert_uint_eq(percpus[TARGET].requested, 10 + TARGET);
}
END_TEST

START_TEST(every_row_of_the_catalog_is_found)
{
	ck_assert_ptr_null(mechanism_find("nothing"));
#define X(id, mechanism_name, needs, summary)                                   \
	ck_assert_str_eq(mechanism_find(mechanism_name)->name, mechanism_name); \
	ck_assert_uint_eq(mechanism_find(mechanism_name)->host, needs);         \
	ck_assert_ptr_eq(mechanism_find(mechanism_name)->flush_others, id##_flush_others);
	MV_MECHANISMS(X)
#undef X
}
END_TEST

#define TESTS(X)                                                                   \
	X(every_target_is_interrupted_once_and_has_answered)                       \
	X(a_destination_is_written_when_it_changes_and_only_then)                  \
	X(the_only_other_vcpu_is_named)                                            \
	X(the_vcpu_that_the_xapic_cannot_name_is_left_to_the_platform)             \
	X(a_target_that_does_not_answer_is_waited_for)                             \
	X(an_answer_to_an_earlier_ticket_is_none)                                  \
	X(no_ticket_is_lost_or_given_twice_whoever_comes_between_two_instructions) \
	X(preempted_targets_are_deferred_and_the_others_interrupted)               \
	X(nobody_is_interrupted_where_all_are_preempted)                           \
	X(a_lost_race_sends_an_interrupt_and_waits)                                \
	X(pv_waits_for_a_target_that_is_preempted_behind_the_look)                 \
	X(recheck_defers_it_and_waits_no_longer)                                   \
	X(recheck_that_loses_the_race_goes_on_waiting)                             \
	X(a_trace_tells_what_became_of_each_target)                                \
	X(an_apic_takes_interrupts_once_it_is_enabled)                             \
	X(ipi_defers_nothing_and_counts_who_is_preempted)                          \
	X(hypercall_leaves_all_targets_to_the_host)                                \
	X(every_row_of_the_catalog_is_found)

UNIT_SUITE(guest_mechanisms, TESTS)
