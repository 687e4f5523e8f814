/* SPDX-License-Identifier: MIT */
/*
 * A shootdown as a whole: what happens in which order, what of it is timed, and that the oracle
 * notices an initiator that forgets itself. A mechanism of the test's own stands in for the others.
 */
#include "unit.h"

#include <string.h>

#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/mechanism.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/shootdown.h"
#include "guest_cpu.h"
#include "guest_double.h"

enum {
	NR_VCPUS = 4,
	INITIATOR = 1,
	TURNS = 8, /* of these shootdowns the first watches the initiator */
	OTHERS_TICKS = 1000,
	FLUSH_TICKS = 70,
	STOLEN_NS = 300,
	STORE_TICKS = 7,
	NR_EVENTS = 64,
};

static const struct range nothing;
static struct percpu *const self = &percpus[INITIATOR];

static struct {
	unsigned others, flushes, readings;
	uint64_t window_entry; /* before the shootdown */
	bool stolen;	       /* the initiator loses its pCPU */
	struct targets asked;
} seen;

/* The others forget; the initiator has stored its entries, and its own flush is yet to come. */
static void flush_others(struct percpu *initiator, struct targets *targets)
{
	ck_assert_ptr_eq(initiator, self);
	ck_assert_uint_ne(*self->window_table, seen.window_entry);
	ck_assert_uint_eq(seen.flushes, 0);
	ck_assert_uint_eq(hints[INITIATOR].critical, 1);
	seen.others++;
	seen.asked = *targets;
	for_each_target (target, targets)
		guest_cpu_flush(target);
	guest_cpu.tsc += OTHERS_TICKS;
	if (seen.stolen)
		pv_add_steal(&self->steal, STOLEN_NS);
}

static const struct mechanism all_forget = { .name = "all forget", .flush_others = flush_others };

/* The page given up may still be in use until this vCPU has flushed as well. */
static void before_local_flush(void)
{
	const uint64_t *given_up = paging_page(seen.window_entry);

	ck_assert_uint_eq(seen.others, 1);
	ck_assert_uint_ne(*given_up, MV_POISON);
	ck_assert_uint_eq(hints[INITIATOR].critical, 0);
	seen.flushes++;
	guest_cpu.tsc += FLUSH_TICKS;
}

static void make_guest(void)
{
	guest_double_vcpus(NR_VCPUS, NR_VCPUS - 1);
	memset(&seen, 0, sizeof(seen));
	guest_cpu.flushes = before_local_flush;
	guest_cpu_run_as(INITIATOR);
	steps.flush_self = shootdown_flush_self;
	self->mechanism = &all_forget;
}

static void shoot(const struct range *unmap)
{
	seen.others = seen.flushes = seen.readings = 0;
	seen.window_entry = *self->window_table;
	shootdown(self, unmap, NULL);
}

/* As many as it takes until everybody has had a turn, and again. */
static void shoot_often(void)
{
	for (unsigned i = 0; i < 2 * TURNS; i++)
		shoot(&nothing);
}

START_TEST(others_are_flushed_before_the_initiator_and_pages_given_up_after_both)
{
	make_guest();
	for (unsigned i = 0; i < TURNS; i++) {
		shoot(&nothing);
		ck_assert_uint_eq(seen.others, 1);
		ck_assert_uint_eq(*(uint64_t *)paging_page(seen.window_entry), MV_POISON);
	}
	ck_assert_int_eq(memcmp(&seen.asked, &self->targets, sizeof(seen.asked)), 0);
	ck_assert_uint_eq(self->result->n.shootdowns, TURNS);
	ck_assert_uint_eq(self->result->n.targets, TURNS * (NR_VCPUS - 1));
}
END_TEST

START_TEST(latency_has_the_flush_of_others_in_it_and_not_the_local_one)
{
	make_guest();
	shoot_often();
	const struct mv_result *r = self->result;

	ck_assert_uint_eq(r->latency.count, 2 * TURNS);
	ck_assert_uint_eq(r->latency.min, OTHERS_TICKS);
	ck_assert_uint_eq(r->latency.max, OTHERS_TICKS);
	ck_assert_uint_eq(r->pte_write.max, 0);
	ck_assert_uint_eq(r->local_flush.count, 2 * TURNS);
	ck_assert_uint_eq(r->local_flush.min, FLUSH_TICKS);
	ck_assert_uint_eq(r->local_flush.max, 2 * FLUSH_TICKS);
	ck_assert_uint_eq(r->local_flush.sum, 2 * (TURNS + 1) * FLUSH_TICKS);
}
END_TEST

/* Of the clock: the stores lie between the first two; latency begins where the host knows. */
static void note_reading(void)
{
	bool stored = *self->window_table != seen.window_entry;

	seen.readings++;
	ck_assert_uint_eq(stored, seen.readings > 1);
	if (seen.readings == 2)
		guest_cpu.tsc += STORE_TICKS;
	if (seen.readings == 3)
		ck_assert_uint_eq(hints[INITIATOR].critical, 1);
}

START_TEST(stores_are_timed_from_before_the_first_to_behind_the_last)
{
	make_guest();
	guest_cpu.reads_tsc = note_reading;
	for (unsigned i = 0; i < TURNS; i++)
		shoot(&nothing);
	ck_assert_uint_eq(self->result->pte_write.count, TURNS);
	ck_assert_uint_eq(self->result->pte_write.min, STORE_TICKS);
	ck_assert_uint_eq(self->result->pte_write.max, STORE_TICKS);
	ck_assert_uint_eq(self->result->latency.max, OTHERS_TICKS);
}
END_TEST

START_TEST(a_trace_has_the_two_moments_between_which_latency_lies)
{
	static _Alignas(64) unsigned char memory[MV_TRACE_RING_BYTES(NR_EVENTS)];
	struct mv_trace_ring *ring = (struct mv_trace_ring *)memory;

	ring->nr_events = NR_EVENTS;
	make_guest();
	self->trace = ring;
	shoot(&nothing);
	ck_assert_uint_eq(ring->head, 2);
	ck_assert_uint_eq(ring->event[0].kind, MV_TRACE_SHOOTDOWN_BEGIN);
	ck_assert_uint_eq(ring->event[0].value, NR_VCPUS - 1);
	ck_assert_uint_eq(ring->event[1].kind, MV_TRACE_SHOOTDOWN_END);
	ck_assert_uint_eq(ring->event[1].tsc - ring->event[0].tsc, OTHERS_TICKS);
}
END_TEST

/* From the first moment, and after each shootdown: what came before is not enough. */
START_TEST(what_readers_may_expect_grows_with_each_shootdown)
{
	make_guest();
	for (unsigned i = 0; i < NR_VCPUS; i++)
		ck_assert_uint_ne(percpus[i].witness_min, 0);
	for (unsigned i = 0; i < TURNS; i++) {
		ck_assert_uint_eq(self->window_min, 1 + i);
		ck_assert_uint_eq(self->window_min, self->window.current);
		shoot(&nothing);
	}
}
END_TEST

START_TEST(latency_net_is_less_by_what_was_stolen_from_the_initiator)
{
	make_guest();
	seen.stolen = true;
	shoot(&nothing);
	ck_assert_uint_eq(self->result->latency.max, OTHERS_TICKS);
	ck_assert_uint_eq(self->result->latency_net.max, OTHERS_TICKS - STOLEN_NS);
	ck_assert_uint_eq(self->result->n.sender_descheduled, 1);
	seen.stolen = false;
	shoot(&nothing);
	ck_assert_uint_eq(self->result->latency_net.max, OTHERS_TICKS);
	ck_assert_uint_eq(self->result->n.sender_descheduled, 1);
}
END_TEST

START_TEST(an_initiator_that_flushes_sees_nothing_stale)
{
	make_guest();
	shoot_often();
	/* Twice a window and a witness, before and after, in two turns. */
	ck_assert_uint_eq(self->result->n.oracle_reads, 8);
	ck_assert_uint_eq(self->result->n.stale_reads, 0);
}
END_TEST

static void flush_window_alone(const struct percpu *vcpu, const struct range *unmap)
{
	(void)unmap;
	flush_page(paging_window_gva(vcpu->index));
}

static void flush_witness_alone(const struct percpu *vcpu, const struct range *unmap)
{
	(void)unmap;
	flush_page(paging_witness_gva(vcpu->index));
}

static void flush_nothing(const struct percpu *vcpu, const struct range *unmap)
{
	(void)vcpu;
	(void)unmap;
}

START_TEST(an_initiator_that_forgets_itself_is_caught)
{
	void (*const forgetful[])(const struct percpu *,
				  const struct range *) = { flush_nothing, flush_window_alone,
							    flush_witness_alone };

	for (unsigned i = 0; i < COUNT_OF(forgetful); i++) {
		make_guest();
		steps.flush_self = forgetful[i];
		shoot(&nothing);
		ck_assert_uint_eq(self->result->n.stale_reads, i == 0 ? 2 : 1);
	}
}
END_TEST

/* Maps consecutive pages of the initiator's arena, and reads them all. */
static struct range use_range(uint32_t nr_pages)
{
	static _Alignas(4096) uint64_t page[512];
	struct range range = {
		.gva = paging_arena_gva(INITIATOR),
		.entry = self->arena_table,
		.nr_pages = nr_pages,
	};

	for (uint32_t i = 0; i < nr_pages; i++) {
		paging_store(&range.entry[i], paging_entry(page));
		read_mapped64(range.gva + i * 4096ull);
	}
	return range;
}

START_TEST(every_page_of_a_range_is_unmapped_and_forgotten)
{
	const uint32_t sizes[] = { 1, 2, 32, 33, 40 };

	make_guest();
	paging_add_arenas(NR_VCPUS);
	shoot(&nothing); /* so that nobody is watched in what follows */
	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		struct range range = use_range(sizes[i]);

		shoot(&range);
		for (uint32_t page = 0; page < sizes[i]; page++) {
			ck_assert_uint_eq(range.entry[page], 0);
			ck_assert(!guest_cpu_has_cached(INITIATOR, range.gva + page * 4096ull));
		}
		/* Above 33 pages, the window included, all at once. */
		ck_assert_uint_eq(seen.flushes, sizes[i] <= 32 ? 1 + sizes[i] : 1);
	}
}
END_TEST

static uint32_t all_but_vcpu_3(struct targets *targets)
{
	ck_assert_uint_ne(*self->window_table, seen.window_entry);
	targets_remove(targets, 3);
	return NR_VCPUS - 2;
}

START_TEST(targets_are_narrowed_once_the_entries_are_stored)
{
	make_guest();
	seen.window_entry = *self->window_table;
	shootdown(self, &nothing, all_but_vcpu_3);
	ck_assert(targets_have(&seen.asked, 0) && targets_have(&seen.asked, 2));
	ck_assert(!targets_have(&seen.asked, 3));
	ck_assert(targets_have(&self->targets, 3));
	ck_assert_uint_eq(self->result->n.targets, NR_VCPUS - 2);
}
END_TEST

START_TEST(whoever_was_given_more_time_yields_behind_the_shootdown)
{
	make_guest();
	shoot(&nothing);
	ck_assert_uint_eq(guest_yields, 0);
	hints[INITIATOR].extended = 1;
	shoot(&nothing);
	ck_assert_uint_eq(guest_yields, 1);
	ck_assert_uint_eq(self->result->latency.max, OTHERS_TICKS);
}
END_TEST

#define TESTS(X)                                                                 \
	X(others_are_flushed_before_the_initiator_and_pages_given_up_after_both) \
	X(latency_has_the_flush_of_others_in_it_and_not_the_local_one)           \
	X(stores_are_timed_from_before_the_first_to_behind_the_last)             \
	X(a_trace_has_the_two_moments_between_which_latency_lies)                \
	X(what_readers_may_expect_grows_with_each_shootdown)                     \
	X(latency_net_is_less_by_what_was_stolen_from_the_initiator)             \
	X(an_initiator_that_flushes_sees_nothing_stale)                          \
	X(an_initiator_that_forgets_itself_is_caught)                            \
	X(every_page_of_a_range_is_unmapped_and_forgotten)                       \
	X(targets_are_narrowed_once_the_entries_are_stored)                      \
	X(whoever_was_given_more_time_yields_behind_the_shootdown)

UNIT_SUITE(guest_shootdown, TESTS)
