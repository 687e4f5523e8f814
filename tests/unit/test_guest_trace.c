/* SPDX-License-Identifier: MIT */
/* What an initiator records of a shootdown: the guest's half of --trace. */
#include "unit.h"

#include <stdlib.h>

#include "guest-kernel/base/memory.h"
#include "guest-kernel/shootdown/trace.h"
#include "guest_double.h"

enum { NR_EVENTS = 1024, PER_PAGE = PAGE_BYTES / sizeof(struct mv_trace_event), VCPU = 1 };

static struct mv_boot_info boot;

/* The second ring of two, which are as long as the VMM says in the first. */
static struct mv_trace_ring *make_ring(void)
{
	unsigned char *rings = calloc(2, MV_TRACE_RING_BYTES(NR_EVENTS));
	struct mv_trace_ring *ring = (struct mv_trace_ring *)(rings +
							      MV_TRACE_RING_BYTES(NR_EVENTS));

	ck_assert_ptr_nonnull(rings);
	boot.trace_gpa = (uintptr_t)rings;
	((struct mv_trace_ring *)rings)->nr_events = NR_EVENTS;
	ring->nr_events = NR_EVENTS;
	return ring;
}

static void drop_rings(void)
{
	free((void *)boot.trace_gpa);
}

START_TEST(each_page_is_touched_before_it_is_needed)
{
	struct mv_trace_ring *ring = make_ring();

	for (unsigned i = 0; i < NR_EVENTS; i++)
		ring->event[i].tsc = 1;
	trace_prepare(&boot, VCPU);
	for (unsigned i = 0; i < NR_EVENTS; i += PER_PAGE)
		ck_assert_msg(ring->event[i].tsc == 0, "event %u", i);
	drop_rings();
}
END_TEST

START_TEST(a_set_of_targets_is_an_event_for_each_word_of_it)
{
	struct mv_trace_ring *ring = make_ring();
	struct targets targets = { 0 };

	targets_add(&targets, 3);
	targets_add(&targets, 64 + 5);
	targets_add(&targets, MV_MAX_VCPUS - 1);
	trace_record_mask(ring, MV_TRACE_IPI, &targets);
	ck_assert_uint_eq(ring->head, 3);
	ck_assert_uint_eq(ring->event[0].index, 0);
	ck_assert_uint_eq(ring->event[0].value, 1 << 3);
	ck_assert_uint_eq(ring->event[1].index, 1);
	ck_assert_uint_eq(ring->event[1].value, 1 << 5);
	ck_assert_uint_eq(ring->event[2].index, TARGETS_WORDS - 1);
	ck_assert_uint_eq(ring->event[2].value, 1ull << 63);
	for (unsigned i = 0; i < 3; i++)
		ck_assert_uint_eq(ring->event[i].kind, MV_TRACE_IPI);
	drop_rings();
}
END_TEST

START_TEST(deferrals_in_a_row_are_one_event)
{
	struct mv_trace_ring *ring = make_ring();
	struct targets targets = { .word = { 1 } };

	trace_record_defer(ring, 3);
	trace_record_defer(ring, 4);
	ck_assert_uint_eq(ring->head, 1);
	ck_assert_uint_eq(ring->event[0].value, 1 << 3 | 1 << 4);
	trace_record_defer(ring, 64 + 4); /* of another word */
	ck_assert_uint_eq(ring->head, 2);
	trace_record_mask(ring, MV_TRACE_IPI, &targets);
	trace_record_defer(ring, 64 + 5); /* not in a row */
	ck_assert_uint_eq(ring->head, 4);
	ck_assert_uint_eq(ring->event[1].value, 1 << 4);
	ck_assert_uint_eq(ring->event[3].value, 1 << 5);
	drop_rings();
}
END_TEST

#define TESTS(X)                                            \
	X(each_page_is_touched_before_it_is_needed)         \
	X(a_set_of_targets_is_an_event_for_each_word_of_it) \
	X(deferrals_in_a_row_are_one_event)

UNIT_SUITE(guest_trace, TESTS)
