/* SPDX-License-Identifier: MIT */
/* Address spaces: what all vCPUs share, and what each has for itself. */
#ifndef GUEST_PAGING_H
#define GUEST_PAGING_H

#include <stdint.h>

#include "guest-kernel/cpu/percpu.h"
#include "minivmm/x86.h"

/*
 * The virtual address space, by entry of the PML4:
 *
 *	0	as the VMM set it up: memory one to one, the xAPIC, the doorbell
 *	1	shared by all vCPUs, as threads of a process share theirs: for each
 *		initiator a window of one page and an arena of ARENA_PAGES
 *	2	private to each vCPU: a witness page for each initiator
 *
 * Page-table pages are ordinary memory of ring 3, and ring 3 writes their entries
 * with plain stores. That is fast, and it is necessary: on KVMs that emulate ring 0 and
 * keep shadow page tables, an entry written from ring 0 is fresh everywhere at
 * once, and no missing flush could ever be noticed.
 */
#define SHARED_GVA  (1ull << 39)
#define PRIVATE_GVA (2ull << 39)

#define LEAF_BYTES  ((uint64_t)LARGE_PAGE_BYTES) /* what one leaf table maps */
#define ARENA_PAGES PTES_PER_TABLE

/* The page that the scenario "tables" maps. It lies behind everybody's windows and arenas. */
#define SHARED_TABLE_GVA (SHARED_GVA + 2 * MV_MAX_VCPUS * LEAF_BYTES)

static inline uint64_t paging_window_gva(uint32_t initiator)
{
	return SHARED_GVA + initiator * 2 * LEAF_BYTES;
}

static inline uint64_t paging_arena_gva(uint32_t initiator)
{
	return paging_window_gva(initiator) + LEAF_BYTES;
}

static inline uint64_t paging_witness_gva(uint32_t initiator)
{
	return PRIVATE_GVA + initiator * (uint64_t)PAGE_BYTES;
}

/* Builds the address spaces of all vCPUs next to what boot_cr3 maps. */
void paging_init(uint64_t boot_cr3, uint32_t nr_vcpus);

/* Gives every vCPU the leaf table of its arena. After paging_init. */
void paging_add_arenas(uint32_t nr_vcpus);

/* The leaf table for gva in a vCPU's address space, made if there is none. At start-up. */
uint64_t *paging_leaf_table(const struct percpu *vcpu, uint64_t gva);

/* The entry that points to the leaf table for gva, or is 0 if there is none. At start-up. */
uint64_t *paging_directory_entry(const struct percpu *vcpu, uint64_t gva);

/* The address space that the VMM set up, which none of the vCPUs' own are. */
uint64_t paging_boot_cr3(void);

/* The entry that maps a page, writable by ring 3. */
uint64_t paging_entry(const void *page);

/* The page that an entry maps. */
void *paging_page(uint64_t entry);

/* Stores an entry where the CPU, or its hypervisor, may be looking. */
static inline void paging_store(uint64_t *entry, uint64_t value)
{
	__atomic_store_n(entry, value, __ATOMIC_RELAXED);
}

#endif
