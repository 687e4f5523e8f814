/* SPDX-License-Identifier: MIT */
/* What the guest's platform stores to the doorbell: see the table of its registers in abi.h. */
#include "unit.h"

#include <string.h>

#include "guest-kernel/base/platform.h"
#include "guest_cpu.h"
#include "guest_double.h"

enum { MOST_STORES = 8 };

static struct store {
	uint64_t offset; /* from the doorbell's beginning */
	uint64_t value;
} stores[MOST_STORES];
static unsigned nr_stores;

static void note_store(uint64_t gpa, uint64_t value)
{
	ck_assert_uint_lt(nr_stores, MOST_STORES);
	stores[nr_stores++] = (struct store){ gpa - MV_DOORBELL_GPA, value };
}

/* As note_store, for what the guest would repeat for ever. */
static void note_and_leave(uint64_t gpa, uint64_t value)
{
	note_store(gpa, value);
	if (nr_stores == 2)
		longjmp(guest_exit_point, 1);
}

static const struct platform *doorbell(void)
{
	guest_cpu.write = note_store;
	return guest_doorbell;
}

static void check_only_store(uint64_t offset, uint64_t value)
{
	ck_assert_uint_eq(nr_stores, 1);
	ck_assert_uint_eq(stores[0].offset, offset);
	ck_assert_uint_eq(stores[0].value, value);
}

/* Of any length, in eights: each character once, in its place. */
START_TEST(text_is_stored_eight_characters_at_a_time)
{
	static const char text[] = "0123456789abcdefXYZ";

	for (size_t length = 0; length < sizeof(text); length++) {
		char part[sizeof(text)] = "", said[MOST_STORES * 8 + 1] = "";

		memcpy(part, text, length);
		nr_stores = 0;
		doorbell()->puts(part);
		ck_assert_uint_eq(nr_stores, (length + 7) / 8);
		for (unsigned i = 0; i < nr_stores; i++) {
			ck_assert_uint_eq(stores[i].offset, MV_DB_PUTS);
			memcpy(said + 8 * (size_t)i, &stores[i].value, 8);
		}
		ck_assert_str_eq(said, part);
	}
}
END_TEST

START_TEST(a_yield_names_whom_it_is_for)
{
	doorbell()->yield_to(3);
	check_only_store(MV_DB_YIELD, 3);
	nr_stores = 0;
	doorbell()->yield();
	check_only_store(MV_DB_YIELD, MV_YIELD_ANY);
}
END_TEST

START_TEST(a_flush_names_where_its_targets_are)
{
	static const struct targets targets;

	doorbell()->flush(&targets);
	check_only_store(MV_DB_FLUSH, (uintptr_t)&targets);
}
END_TEST

START_TEST(an_interrupt_names_vcpu_and_vector)
{
	doorbell()->send_ipi(0xff, 0x41);
	check_only_store(MV_DB_IPI, 0xff41);
}
END_TEST

START_TEST(a_halt_is_one_store)
{
	doorbell()->halt();
	check_only_store(MV_DB_IDLE, 0);
}
END_TEST

static uint32_t tell_phase(uint64_t gpa)
{
	ck_assert_uint_eq(gpa, MV_DOORBELL_GPA + MV_DB_PHASE);
	return 0x10203;
}

START_TEST(the_phase_is_what_the_doorbell_says)
{
	guest_cpu.read = tell_phase;
	ck_assert_uint_eq(doorbell()->wait_phase(), 0x10203);
	ck_assert_uint_eq(nr_stores, 0);
}
END_TEST

/* An interrupt ends a halt, and a VMM may let a vCPU go on that has ended its VM. */
START_TEST(the_end_is_said_again_and_again)
{
	doorbell();
	guest_cpu.write = note_and_leave;
	ck_assert(GUEST_EXITS(guest_doorbell->idle()));
	ck_assert_uint_eq(stores[1].offset, MV_DB_IDLE);
	nr_stores = 0;
	ck_assert(GUEST_EXITS(guest_doorbell->exit(7)));
	ck_assert_uint_eq(stores[0].offset, MV_DB_EXIT);
	ck_assert_uint_eq(stores[1].offset, MV_DB_EXIT);
	ck_assert_uint_eq(stores[1].value, 7);
}
END_TEST

#define TESTS(X)                                     \
	X(text_is_stored_eight_characters_at_a_time) \
	X(a_yield_names_whom_it_is_for)              \
	X(a_flush_names_where_its_targets_are)       \
	X(an_interrupt_names_vcpu_and_vector)        \
	X(a_halt_is_one_store)                       \
	X(the_phase_is_what_the_doorbell_says)       \
	X(the_end_is_said_again_and_again)

UNIT_SUITE(guest_doorbell, TESTS)
