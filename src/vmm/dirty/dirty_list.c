/* SPDX-License-Identifier: MIT */
/* What a harvest makes of KVM's bitmap, of its rings, and of a page. */
#include "vmm/dirty/dirty_vm.h"

#define BITS_PER_WORD  64
#define WORDS_PER_PAGE (DIRTY_PAGE_BYTES / sizeof(uint64_t))
#define LANES	       4 /* that do not wait for each other's multiplications */

static void add(struct dirty_list *list, uint64_t page)
{
	if (list->nr < list->room)
		list->page[list->nr++] = (uint32_t)page;
}

void dirty_list_bits(struct dirty_list *list, const uint64_t *bitmap, uint64_t nr_pages)
{
	for (uint64_t first = 0; first < nr_pages; first += BITS_PER_WORD) {
		for (uint64_t rest = bitmap[first / BITS_PER_WORD]; rest; rest &= rest - 1) {
			uint64_t page = first + (uint64_t)__builtin_ctzll(rest);

			if (page < nr_pages)
				add(list, page);
		}
	}
}

/*
 * KVM fills an entry before it flags it as dirty, and looks at it again only once it is
 * flagged as harvested (Documentation/virt/kvm/api.rst, KVM_CAP_DIRTY_LOG_RING).
 */
uint32_t dirty_list_ring(struct dirty_list *list, struct dirty_ring *ring, uint64_t nr_pages)
{
	uint32_t nr = 0;

	for (; nr < DIRTY_RING_ENTRIES; nr++) {
		struct kvm_dirty_gfn *entry = &ring->entry[ring->next % DIRTY_RING_ENTRIES];

		if (__atomic_load_n(&entry->flags, __ATOMIC_ACQUIRE) != KVM_DIRTY_GFN_F_DIRTY)
			break;
		if (entry->slot == 0 && entry->offset < nr_pages)
			add(list, entry->offset);
		__atomic_store_n(&entry->flags, KVM_DIRTY_GFN_F_RESET, __ATOMIC_RELEASE);
		ring->next++;
	}
	return nr;
}

/* One multiplication for each word, after Fowler, Noll and Vo's hash, and in four lanes. */
uint64_t dirty_digest(const void *page)
{
	const uint64_t *word = page;
	uint64_t lane[LANES] = { 1, 2, 3, 4 }, digest = 0;

	for (unsigned i = 0; i < WORDS_PER_PAGE; i++) {
		uint64_t value = __atomic_load_n(&word[i], __ATOMIC_RELAXED);

		lane[i % LANES] = (lane[i % LANES] ^ value) * 0x9e3779b97f4a7c15ull;
		lane[i % LANES] ^= lane[i % LANES] >> 29;
	}
	for (unsigned i = 0; i < LANES; i++)
		digest = (digest ^ lane[i]) * 0x9e3779b97f4a7c15ull;
	return digest;
}
