/* SPDX-License-Identifier: MIT */
/* Address spaces: what all vCPUs share, and what each has for itself. */
#include "guest-kernel/cpu/paging.h"

#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/memory.h"
#include "minivmm/x86.h"

static uint64_t boot_cr3;

/*
 * Accessed and dirty are set from the start, so that no page walk has to write to
 * a table that an initiator is editing.
 */
uint64_t paging_entry(const void *page)
{
	return (uint64_t)page | PTE_TABLE | PTE_ACCESSED | PTE_DIRTY;
}

void *paging_page(uint64_t entry)
{
	return (void *)(entry & PTE_ADDRESS);
}

/* The table that the entry for gva in `table` points to, made if there is none yet. */
static uint64_t *next_table(uint64_t *table, unsigned level, uint64_t gva)
{
	uint64_t *entry = &table[gva >> (12 + 9 * level) & (PTES_PER_TABLE - 1)];

	if (!*entry)
		paging_store(entry, paging_entry(memory_take_page()));
	return paging_page(*entry);
}

/* The table of that level for gva: 0 is the leaf table, 3 the PML4. */
static uint64_t *table_of_level(uint64_t *pml4, unsigned level, uint64_t gva)
{
	uint64_t *table = pml4;

	for (unsigned above = 3; above > level; above--)
		table = next_table(table, above, gva);
	return table;
}

static uint64_t *leaf_table(uint64_t *pml4, uint64_t gva)
{
	return table_of_level(pml4, 0, gva);
}

/*
 * Every vCPU has a PML4 of its own. All of them start as a copy of one that holds
 * the boot mappings and the shared tables, so that from the second level on the
 * shared part is the same memory.
 */
void paging_init(uint64_t cr3, uint32_t nr_vcpus)
{
	uint64_t *shared = memory_take_page();

	boot_cr3 = cr3 & PTE_ADDRESS;
	memcpy(shared, (const void *)boot_cr3, PAGE_BYTES);
	for (uint32_t i = 0; i < nr_vcpus; i++)
		percpus[i].window_table = leaf_table(shared, paging_window_gva(i));

	for (uint32_t i = 0; i < nr_vcpus; i++) {
		percpus[i].pml4 = memory_take_page();
		memcpy(percpus[i].pml4, shared, PAGE_BYTES);
		percpus[i].witness_table = leaf_table(percpus[i].pml4, PRIVATE_GVA);
	}
}

void paging_add_arenas(uint32_t nr_vcpus)
{
	for (uint32_t i = 0; i < nr_vcpus; i++)
		percpus[i].arena_table = leaf_table(percpus[i].pml4, paging_arena_gva(i));
}

uint64_t *paging_leaf_table(const struct percpu *vcpu, uint64_t gva)
{
	return leaf_table(vcpu->pml4, gva);
}

uint64_t *paging_directory_entry(const struct percpu *vcpu, uint64_t gva)
{
	return &table_of_level(vcpu->pml4, 1, gva)[gva / LEAF_BYTES % PTES_PER_TABLE];
}

uint64_t paging_boot_cr3(void)
{
	return boot_cr3;
}
