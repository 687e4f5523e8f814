/* SPDX-License-Identifier: MIT */
/*
 * tables: vCPU 0 frees page tables again and again, and the others walk them in software.
 *
 * A walker follows page tables as the CPU does, by loads, and without a lock: Linux's
 * gup_fast() and the call chains of perf do so. It turns interrupts off, and that keeps
 * tables from being freed under it: an initiator unlinks a table, makes all CPUs flush and
 * waits for their answers, and a walker answers only when it has finished. So a shootdown
 * by interrupts is a barrier, as a by-product.
 *
 * A flush that is deferred, or done by the host, is no barrier. The walker may have lost its
 * pCPU between two loads: it has flushed when it goes on, but it goes on with the address of
 * a table that it loaded before. Where flushes may be deferred, Linux frees page tables only
 * after a grace period (MMU_GATHER_RCU_TABLE_FREE in asm-generic/tlb.h). So it is done
 * here, under every mechanism; --inject free-early leaves it out, which only the mechanisms ipi and
 * ipi-yield survive.
 *
 * Ring 3 cannot turn interrupts off. Raising the APIC's task priority does the same.
 */
#include "guest-kernel/base/memory.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/sections.h"

#define UPDATER	  0
#define NR_TABLES 8 /* in rotation, so that poison stays for a while */

/* In the class of VECTOR_SHOOTDOWN: nothing is let in up to it. */
#define PRIORITY_INTERRUPTS_OFF VECTOR_SHOOTDOWN
#define PRIORITY_INTERRUPTS_ON	0

static uint64_t *tables[NR_TABLES]; /* each maps one page, which holds a generation */
static uint64_t *pages[NR_TABLES];
static uint64_t *link; /* in the directory: what points to the present table */
static cache_aligned uint64_t oldest_allowed; /* generation that a new walk may find at least */
static uint64_t work_us, read_us;

/* Makes the table of a generation, and returns the entry that links it. */
static uint64_t make_table(uint64_t generation)
{
	uint64_t *table = tables[generation % NR_TABLES], *page = pages[generation % NR_TABLES];

	__atomic_store_n(page, generation, __ATOMIC_RELAXED);
	paging_store(table, paging_entry(page));
	return paging_entry(table);
}

/* Nobody may follow this entry any more: neither walkers nor the CPU. */
static void free_table(uint64_t generation)
{
	paging_store(tables[generation % NR_TABLES], MV_POISON);
}

static void tables_init(const struct params *params, uint32_t nr_vcpus)
{
	(void)nr_vcpus;
	work_calibrate();
	work_us = params->work_us;
	read_us = params->read_us;
	for (unsigned i = 0; i < NR_TABLES; i++) {
		tables[i] = memory_take_page();
		pages[i] = memory_take_page();
	}
	link = paging_directory_entry(&percpus[UPDATER], SHARED_TABLE_GVA);
	oldest_allowed = 1;
	__atomic_store_n(link, make_table(1), __ATOMIC_RELEASE);
}

static uint64_t read_generation(const uint64_t *table)
{
	uint64_t entry = __atomic_load_n(table, __ATOMIC_ACQUIRE);

	if (entry == MV_POISON)
		return MV_POISON;
	return __atomic_load_n((const uint64_t *)paging_page(entry), __ATOMIC_ACQUIRE);
}

/*
 * Looks twice into one table, with time between the looks. Another generation at the second look
 * is as bad as poison: the table was freed and used again.
 */
static uint64_t walk(const struct percpu *self)
{
	const uint64_t *table = paging_page(__atomic_load_n(link, __ATOMIC_ACQUIRE));
	uint64_t first = read_generation(table);

	work_for_us(read_us);
	steps.linger(&self->steal);
	return read_generation(table) == first ? first : MV_POISON;
}

/* The CPU walks as well, and remembers. */
static void read_mapping(struct percpu *self, uint64_t allowed)
{
	oracle_count(&self->result->n, SHARED_TABLE_GVA, allowed, read_mapped64(SHARED_TABLE_GVA));
}

static void walk_round(struct percpu *self)
{
	uint64_t allowed = __atomic_load_n(&oldest_allowed, __ATOMIC_ACQUIRE);

	apic_write(XAPIC_TASK_PRIORITY, PRIORITY_INTERRUPTS_OFF);
	section_boundary(self);
	oracle_count(&self->result->n, (uint64_t)link, allowed, walk(self));
	section_boundary(self);
	apic_write(XAPIC_TASK_PRIORITY, PRIORITY_INTERRUPTS_ON);

	read_mapping(self, allowed);
	work_for_us(work_us);
}

/* The updater reads as well, so that its TLB has something for its next flush to remove. */
static void update_round(struct percpu *self)
{
	uint64_t old = oldest_allowed;

	__atomic_store_n(link, make_table(old + 1), __ATOMIC_RELEASE);
	sections_wait(self);
	flush_page(SHARED_TABLE_GVA);
	__atomic_store_n(&oldest_allowed, old + 1, __ATOMIC_RELEASE);
	free_table(old);
	read_mapping(self, old + 1);
	self->result->n.ops++;
}

static void tables_round(struct percpu *self)
{
	if (self->index == UPDATER)
		update_round(self);
	else if (scenario_is_target(self, UPDATER))
		walk_round(self);
}

const struct scenario scenario_tables = {
	.ops_unit = "tables freed",
	.init = tables_init,
	.round = tables_round,
};
