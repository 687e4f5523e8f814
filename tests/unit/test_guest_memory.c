/* SPDX-License-Identifier: MIT */
/* The guest's memory: pages that nobody else has, and one line when there are no more. */
#include "unit.h"

#include <stdbool.h>

#include "guest-kernel/base/memory.h"
#include "guest_double.h"

static bool is_zero(const unsigned char *bytes, size_t nr_bytes)
{
	for (size_t i = 0; i < nr_bytes; i++) {
		if (bytes[i])
			return false;
	}
	return true;
}

START_TEST(pages_are_zero_and_follow_each_other)
{
	guest_double_memory(8);
	unsigned char *first = memory_take_page();
	unsigned char *several = memory_take_pages(3);
	unsigned char *last = memory_take_page();

	ck_assert_uint_eq((uintptr_t)first % PAGE_BYTES, 0);
	ck_assert_ptr_eq(several, first + PAGE_BYTES);
	ck_assert_ptr_eq(last, several + 3 * PAGE_BYTES);
	ck_assert(is_zero(first, 5 * PAGE_BYTES));
}
END_TEST

START_TEST(pages_not_taken_are_left_alone)
{
	guest_double_memory(8);
	memory_take_pages(5);
	ck_assert_uint_eq(guest_double_pages_left(), 3);
}
END_TEST

START_TEST(the_last_page_can_be_had_and_no_more)
{
	guest_double_memory(4);
	ck_assert(!GUEST_EXITS(memory_take_pages(4)));
	ck_assert(GUEST_EXITS(memory_take_page()));
	ck_assert_str_eq(guest_said, "guest: 64 MiB of memory are too few for so many vCPUs: give "
				     "more (--mem)\n");
	ck_assert_uint_eq(guest_exit_code, MV_EXIT_BAD_ARGS);
}
END_TEST

START_TEST(more_than_is_left_is_refused_as_a_whole)
{
	guest_double_memory(4);
	memory_take_page();
	ck_assert(GUEST_EXITS(memory_take_pages(4)));
	ck_assert_uint_eq(guest_double_pages_left(), 3);
}
END_TEST

#define TESTS(X)                                \
	X(pages_are_zero_and_follow_each_other) \
	X(pages_not_taken_are_left_alone)       \
	X(the_last_page_can_be_had_and_no_more) \
	X(more_than_is_left_is_refused_as_a_whole)

UNIT_SUITE(guest_memory, TESTS)
