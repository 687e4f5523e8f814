/* SPDX-License-Identifier: MIT */
/* Dirty tracking: bitmaps and rings become lists of pages, and contents become digests. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/dirty/dirty_vm.h"

#define ROOM 256

static uint32_t pages[ROOM];
static struct dirty_list list;
static struct kvm_dirty_gfn entries[DIRTY_RING_ENTRIES];
static struct dirty_ring ring;

static void start(void)
{
	memset(pages, 0, sizeof(pages));
	memset(entries, 0, sizeof(entries));
	list = (struct dirty_list){ .page = pages, .room = ROOM };
	ring = (struct dirty_ring){ .entry = entries };
}

static void require_pages(const uint32_t *wanted, size_t nr)
{
	ck_assert_uint_eq(list.nr, nr);
	for (size_t i = 0; i < nr; i++)
		ck_assert_uint_eq(pages[i], wanted[i]);
}

/* As KVM pushes an entry. */
static void push(uint32_t at, uint32_t slot, uint64_t page)
{
	entries[at % DIRTY_RING_ENTRIES] = (struct kvm_dirty_gfn){ KVM_DIRTY_GFN_F_DIRTY, slot,
								   page };
}

START_TEST(each_bit_that_is_set_is_a_page)
{
	const uint64_t bitmap[] = { 1ull | 1ull << 5 | 1ull << 63, 0, 1ull << 1 | 1ull << 2 };

	start();
	dirty_list_bits(&list, bitmap, 3 * 64);
	require_pages((const uint32_t[]){ 0, 5, 63, 129, 130 }, 5);
	start();
	dirty_list_bits(&list, bitmap, 130); /* the last word has bits of no page */
	require_pages((const uint32_t[]){ 0, 5, 63, 129 }, 4);
	start();
	dirty_list_bits(&list, bitmap, 0);
	require_pages(NULL, 0);
}
END_TEST

START_TEST(a_list_holds_no_more_than_it_has_room_for)
{
	uint64_t bitmap[2 * ROOM / 64];

	start();
	memset(bitmap, 0xff, sizeof(bitmap));
	list.room = 3;
	dirty_list_bits(&list, bitmap, 2 * ROOM);
	require_pages((const uint32_t[]){ 0, 1, 2 }, 3);
}
END_TEST

START_TEST(a_ring_is_read_up_to_what_kvm_has_not_filled)
{
	start();
	push(0, 0, 7);
	push(1, 0, 3);
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), 2);
	require_pages((const uint32_t[]){ 7, 3 }, 2);
	ck_assert_uint_eq(entries[0].flags, KVM_DIRTY_GFN_F_RESET);
	ck_assert_uint_eq(entries[1].flags, KVM_DIRTY_GFN_F_RESET);
	ck_assert_uint_eq(entries[2].flags, 0);

	push(2, 0, 9); /* the next harvest goes on where this one ended */
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), 1);
	require_pages((const uint32_t[]){ 7, 3, 9 }, 3);
	ck_assert_uint_eq(ring.next, 3);
}
END_TEST

START_TEST(an_entry_that_was_harvested_is_not_harvested_again)
{
	start();
	push(0, 0, 1);
	entries[0].flags = KVM_DIRTY_GFN_F_RESET; /* KVM has not been told yet */
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), 0);
	require_pages(NULL, 0);
}
END_TEST

START_TEST(a_ring_goes_round)
{
	start();
	ring.next = UINT32_MAX; /* and its count of entries over the end of its type */
	push(ring.next, 0, 4);
	push(0, 0, 5);
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), 2);
	require_pages((const uint32_t[]){ 4, 5 }, 2);

	start();
	for (uint32_t i = 0; i < DIRTY_RING_ENTRIES; i++)
		push(i, 0, 6);
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), DIRTY_RING_ENTRIES);
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), 0);
}
END_TEST

START_TEST(entries_of_other_memory_are_harvested_and_not_listed)
{
	start();
	push(0, 1, 2);
	push(1, 0, 10);
	push(2, 0, 9);
	ck_assert_uint_eq(dirty_list_ring(&list, &ring, 10), 3);
	require_pages((const uint32_t[]){ 9 }, 1);
}
END_TEST

/* Any word, whatever is in the others; and words that change places. */
START_TEST(a_digest_changes_with_any_word)
{
	uint64_t page[DIRTY_PAGE_BYTES / sizeof(uint64_t)] = { 0 };
	uint64_t before = dirty_digest(page);

	for (unsigned i = 0; i < COUNT_OF(page); i++) {
		page[i] = i + 1;
		ck_assert_uint_ne(dirty_digest(page), before);
		before = dirty_digest(page);
		ck_assert_uint_eq(dirty_digest(page), before);
	}
	page[0] = 5;
	page[4] = 1;
	ck_assert_uint_ne(dirty_digest(page), before);
}
END_TEST

#define TESTS(X)                                                \
	X(each_bit_that_is_set_is_a_page)                       \
	X(a_list_holds_no_more_than_it_has_room_for)            \
	X(a_ring_is_read_up_to_what_kvm_has_not_filled)         \
	X(an_entry_that_was_harvested_is_not_harvested_again)   \
	X(a_ring_goes_round)                                    \
	X(entries_of_other_memory_are_harvested_and_not_listed) \
	X(a_digest_changes_with_any_word)

UNIT_SUITE(dirty, TESTS)
