/* SPDX-License-Identifier: MIT */
/*
 * sweep-size: vCPU 0 shoots ranges of one size, the others read every page of them.
 *
 * INVLPG page by page costs more with each page. A full flush costs the same for any
 * number of pages, and then a miss for every page that is still wanted. Several runs, with
 * pages=1, 2, 4, ... and flush=invlpg or full, show where the two cross. A flush that is
 * deferred, or done by the host, is always a full one.
 *
 * Every vCPU has the range at the same address in a leaf table of its own, which makes a
 * missing flush visible on every KVM: see oracle.c. All pages of a range are mapped to the
 * page of that vCPU's present epoch. Each shootdown remaps one range, so that its cost does
 * not depend on the number of vCPUs: that of vCPU 0 and those of its targets, in turn.
 */
#include <stddef.h>

#include "guest-kernel/base/memory.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/mechanism.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/shootdown.h"

#define INITIATOR      0
#define RANGE_GVA      (PRIVATE_GVA + LEAF_BYTES) /* next to the witnesses */
#define READS_PER_LOOK 64			  /* at the phase, which ends the reading */

static struct ranged {
	cache_aligned uint64_t oldest_allowed; /* atomic */
	struct epochs epochs;
	uint64_t *table; /* the leaf table of its range */
} ranged[MV_MAX_VCPUS];

static uint32_t nr_pages;
static bool page_by_page;

static void map_range(struct ranged *owner, uint64_t entry)
{
	for (uint32_t i = 0; i < nr_pages; i++)
		paging_store(&owner->table[i], entry);
}

static void sweep_size_init(const struct params *params, uint32_t nr_vcpus)
{
	nr_pages = (uint32_t)params->pages;
	page_by_page = params->flush == PARAM_flush_invlpg;
	for (uint32_t i = 0; i < nr_vcpus; i++) {
		ranged[i].table = paging_leaf_table(&percpus[i], RANGE_GVA);
		map_range(&ranged[i], oracle_epochs_init(&ranged[i].epochs));
		ranged[i].oldest_allowed = ranged[i].epochs.current;
	}
	shootdown_range = (struct flush_range){ RANGE_GVA, nr_pages };
	if (page_by_page && steps.answer_ipi == vector_shootdown)
		traps_answer_shootdown(vector_shootdown_range);
}

static void read_page(struct percpu *self, uint64_t page)
{
	uint64_t gva = RANGE_GVA + page * PAGE_BYTES;
	uint64_t allowed = __atomic_load_n(&ranged[self->index].oldest_allowed, __ATOMIC_ACQUIRE);

	oracle_count(&self->result->n, gva, allowed, read_mapped64(gva));
}

static void flush_own(void)
{
	if (page_by_page)
		flush_range(RANGE_GVA, nr_pages);
	else
		flush_all();
}

static void shoot(struct percpu *self, struct ranged *owner)
{
	struct targets targets = self->targets;

	uint64_t stores_start = rdtsc();
	map_range(owner, oracle_epoch_open_next(&owner->epochs));
	uint64_t stores_end = rdtsc();

	struct moment start = shootdown_begin(self);
	self->mechanism->flush_others(self, &targets);
	shootdown_end(self, &start, self->nr_targets);

	uint64_t flush_start = rdtsc();
	flush_own();
	uint64_t flush_end = rdtsc();

	oracle_epoch_close(&owner->epochs);
	__atomic_store_n(&owner->oldest_allowed, owner->epochs.current, __ATOMIC_RELEASE);
	mv_hist_record(&self->result->pte_write, clock_ticks_to_ns(stores_end - stores_start));
	mv_hist_record(&self->result->local_flush, clock_ticks_to_ns(flush_end - flush_start));
}

/* The initiator reads its pages too, and so has them in its TLB for the next time. */
static void sweep_size_round(struct percpu *self)
{
	if (self->index == INITIATOR) {
		shoot(self, &ranged[self->rounds++ % (self->nr_targets + 1)]);
		for (uint64_t page = 0; page < nr_pages; page++)
			read_page(self, page);
		self->result->n.ops++;
	} else if (scenario_is_target(self, INITIATOR)) {
		for (unsigned i = 0; i < READS_PER_LOOK; i++)
			read_page(self, self->rounds++ % nr_pages);
	}
}

const struct scenario scenario_sweep_size = {
	.ops_unit = "shootdowns",
	.init = sweep_size_init,
	.round = sweep_size_round,
};
