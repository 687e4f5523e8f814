/* SPDX-License-Identifier: MIT */
/*
 * The oracle's bookkeeping: what it maps, what it publishes and what it poisons.
 *
 * The tests translate by walking the guest's page tables, like a TLB that is always
 * fresh, and hold on to what they found, like one that is never flushed.
 */
#include "unit.h"

#include "guest-kernel/base/memory.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest_cpu.h"
#include "guest_double.h"

enum { NR_VCPUS = 4, WITNESS_DONE_BITS = 16 };

static void make_guest(void)
{
	guest_double_vcpus(NR_VCPUS, NR_VCPUS - 1);
}

/* The place of a reader in the initiator's order, which begins with itself. */
static uint32_t rank_of(uint32_t vcpu, uint32_t initiator)
{
	return (vcpu + NR_VCPUS - initiator) % NR_VCPUS;
}

/* A shootdown in which everybody flushes. */
static void shoot(uint32_t initiator)
{
	guest_cpu_run_as(initiator);
	oracle_prepare(&percpus[initiator]);
	oracle_remap(&percpus[initiator]);
	for (uint32_t i = 0; i < NR_VCPUS; i++)
		guest_cpu_flush(i);
	oracle_complete(&percpus[initiator]);
	ck_assert_uint_eq(percpus[initiator].result->n.stale_reads, 0);
}

static uint64_t window_seen(uint32_t vcpu, uint32_t initiator)
{
	return *guest_cpu_walk(vcpu, paging_window_gva(initiator));
}

/* The lowest generation that `vcpu` may find in its witness for `initiator`. */
static uint64_t witness_allowed(uint32_t vcpu, uint32_t initiator)
{
	uint64_t word = percpus[initiator].witness_min;
	uint64_t done = word & ((1u << WITNESS_DONE_BITS) - 1);

	return (word >> WITNESS_DONE_BITS) + (rank_of(vcpu, initiator) < done);
}

static void require_fresh_reads_pass(uint32_t initiator)
{
	for (uint32_t vcpu = 0; vcpu < NR_VCPUS; vcpu++) {
		uint64_t seen = window_seen(vcpu, initiator);

		ck_assert_uint_ge(seen, percpus[initiator].window_min);
		ck_assert_uint_lt(seen, MV_POISON);
		if (rank_of(vcpu, initiator) > percpus[initiator].nr_targets)
			continue;
		seen = *guest_cpu_walk(vcpu, paging_witness_gva(initiator));
		ck_assert_uint_ge(seen, witness_allowed(vcpu, initiator));
		ck_assert_uint_lt(seen, MV_POISON);
	}
}

START_TEST(who_flushes_always_passes)
{
	for (uint32_t nr_targets = 0; nr_targets < NR_VCPUS; nr_targets++) {
		guest_double_vcpus(NR_VCPUS, nr_targets);
		guest_cpu_run_as(1);
		require_fresh_reads_pass(1);
		for (unsigned round = 0; round < 100; round++) {
			oracle_remap(&percpus[1]);
			require_fresh_reads_pass(1);
			guest_cpu_flush(1);
			oracle_complete(&percpus[1]);
			require_fresh_reads_pass(1);
		}
	}
}
END_TEST

START_TEST(a_translation_may_be_used_until_the_shootdown_is_complete)
{
	make_guest();
	const uint64_t *kept = guest_cpu_walk(0, paging_window_gva(1));

	oracle_remap(&percpus[1]);
	ck_assert_uint_ge(*kept, percpus[1].window_min);
	ck_assert_uint_lt(*kept, MV_POISON);
}
END_TEST

START_TEST(whoever_keeps_a_window_is_caught_for_six_shootdowns_more)
{
	make_guest();
	const uint64_t *kept = guest_cpu_walk(0, paging_window_gva(1));

	for (unsigned round = 0; round < 7; round++) {
		shoot(1);
		ck_assert_uint_eq(*kept, MV_POISON);
	}
}
END_TEST

/* After its own turn a reader has to have flushed; the others only after theirs. */
static void require_turn(uint32_t reader, uint32_t initiator)
{
	const uint64_t *kept = guest_cpu_walk(reader, paging_witness_gva(initiator));

	ck_assert_uint_ge(*kept, witness_allowed(reader, initiator));
	shoot(initiator);
	ck_assert(*kept == MV_POISON || *kept < witness_allowed(reader, initiator));
}

/* Between the turns an initiator leaves the witnesses alone. */
static void require_rest(uint32_t reader, uint32_t initiator)
{
	uint64_t entry = percpus[reader].witness_table[initiator];

	shoot(initiator);
	ck_assert_uint_eq(percpus[reader].witness_table[initiator], entry);
}

START_TEST(whoever_keeps_a_witness_is_caught_in_its_turn)
{
	const uint32_t initiator = 2, in_turn[] = { 2, 3, 0, 1 }, turns = 8;

	for (uint32_t nr_targets = 0; nr_targets < NR_VCPUS; nr_targets++) {
		guest_double_vcpus(NR_VCPUS, nr_targets);
		for (unsigned i = 0; i < 5 * turns; i++) {
			if (i % turns <= nr_targets)
				require_turn(in_turn[i % turns], initiator);
			else
				require_rest(in_turn[0], initiator);
		}
	}
}
END_TEST

START_TEST(whoever_neither_shoots_nor_is_a_target_gets_no_witness)
{
	guest_double_vcpus(NR_VCPUS, 2);
	for (unsigned round = 0; round < 10; round++) {
		shoot(3);
	}
	ck_assert_uint_ne(percpus[0].witness_table[3], 0);
	ck_assert_uint_ne(percpus[1].witness_table[3], 0);
	ck_assert_uint_eq(percpus[2].witness_table[3], 0);
	ck_assert_uint_ne(percpus[3].witness_table[3], 0);
}
END_TEST

START_TEST(initiators_do_not_disturb_each_other)
{
	make_guest();
	for (unsigned round = 0; round < 5; round++) {
		shoot(2);
	}
	ck_assert_uint_eq(window_seen(0, 1), 1);
	ck_assert_uint_eq(window_seen(0, 2), 6);
	require_fresh_reads_pass(1);
	require_fresh_reads_pass(2);
}
END_TEST

static const struct {
	uint64_t allowed, seen;
	unsigned is_stale;
} reads[] = {
	{ 5, 5, 0 }, { 5, 6, 0 }, { 5, 4, 1 }, { 5, 0, 1 }, { 0, 0, 0 }, { 5, MV_POISON, 1 },
};

START_TEST(older_than_allowed_and_poison_are_stale)
{
	for (unsigned i = 0; i < COUNT_OF(reads); i++) {
		struct mv_counters n = { 0 };

		oracle_count(&n, 0x1000, reads[i].allowed, reads[i].seen);
		ck_assert_uint_eq(n.oracle_reads, 1);
		ck_assert_uint_eq(n.stale_reads, reads[i].is_stale);
	}
}
END_TEST

START_TEST(the_first_stale_read_is_the_one_described)
{
	struct mv_counters n = { 0 };

	oracle_count(&n, 0x1000, 5, 5);
	oracle_count(&n, 0x2000, 7, 6);
	oracle_count(&n, 0x3000, 9, MV_POISON);
	ck_assert_uint_eq(n.oracle_reads, 3);
	ck_assert_uint_eq(n.stale_reads, 2);
	ck_assert_uint_eq(n.stale_gva, 0x2000);
	ck_assert_uint_eq(n.stale_expected, 7);
	ck_assert_uint_eq(n.stale_seen, 6);
}
END_TEST

#define TESTS(X)                                                     \
	X(who_flushes_always_passes)                                 \
	X(a_translation_may_be_used_until_the_shootdown_is_complete) \
	X(whoever_keeps_a_window_is_caught_for_six_shootdowns_more)  \
	X(whoever_keeps_a_witness_is_caught_in_its_turn)             \
	X(whoever_neither_shoots_nor_is_a_target_gets_no_witness)    \
	X(initiators_do_not_disturb_each_other)                      \
	X(older_than_allowed_and_poison_are_stale)                   \
	X(the_first_stale_read_is_the_one_described)

UNIT_SUITE(guest_oracle, TESTS)
