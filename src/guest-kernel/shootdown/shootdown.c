/* SPDX-License-Identifier: MIT */
/* One TLB shootdown, from the PTE stores to the point where the pages may be used again. */
#include "guest-kernel/shootdown/shootdown.h"

#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/mechanism.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/trace.h"

/* More pages than this are dropped all at once (Linux's tlb_single_page_flush_ceiling). */
#define FLUSH_ALL_ABOVE_PAGES 33

static void store_entries(struct percpu *self, const struct range *unmap)
{
	oracle_remap(self);
	for (uint32_t i = 0; i < unmap->nr_pages; i++)
		paging_store(&unmap->entry[i], 0);
}

/* The window, the witness in its turn, and the range. */
void shootdown_flush_self(const struct percpu *self, const struct range *unmap)
{
	bool with_witness = oracle_watches_self(self);

	if (1 + with_witness + unmap->nr_pages > FLUSH_ALL_ABOVE_PAGES) {
		flush_all();
		return;
	}
	flush_page(paging_window_gva(self->index));
	if (with_witness)
		flush_page(paging_witness_gva(self->index));
	for (uint32_t i = 0; i < unmap->nr_pages; i++)
		flush_page(unmap->gva + i * (uint64_t)PAGE_BYTES);
}

struct moment shootdown_begin(struct percpu *self)
{
	hint_critical_begins(self->index);
	struct moment start = clock_now(&self->steal);

	trace_at(self, start.tsc, MV_TRACE_SHOOTDOWN_BEGIN, 0, self->nr_targets);
	return start;
}

void shootdown_end(struct percpu *self, const struct moment *start, uint32_t nr_targets)
{
	struct mv_result *result = self->result;
	struct moment end = clock_now(&self->steal);

	trace_at(self, end.tsc, MV_TRACE_SHOOTDOWN_END, 0, 0);
	if (hint_critical_ends(self->index))
		platform->yield();

	uint64_t wall_ns = clock_ticks_to_ns(end.tsc - start->tsc);
	uint64_t stolen_ns = end.steal_ns - start->steal_ns;

	result->n.shootdowns++;
	result->n.targets += nr_targets;
	result->n.sender_descheduled += stolen_ns != 0;
	mv_hist_record(&result->latency, wall_ns);
	mv_hist_record(&result->latency_net, wall_ns > stolen_ns ? wall_ns - stolen_ns : 0);
}

void shootdown(struct percpu *self, const struct range *unmap, shootdown_narrow *narrow)
{
	struct mv_result *result = self->result;
	struct targets targets = self->targets;

	oracle_prepare(self);
	uint64_t stores_start = rdtsc();
	store_entries(self, unmap);
	uint64_t stores_end = rdtsc();

	struct moment start = shootdown_begin(self);
	uint32_t nr_targets = narrow ? narrow(&targets) : self->nr_targets;
	self->mechanism->flush_others(self, &targets);
	shootdown_end(self, &start, nr_targets);

	uint64_t flush_start = rdtsc();
	steps.flush_self(self, unmap);
	uint64_t flush_end = rdtsc();

	oracle_complete(self);
	mv_hist_record(&result->pte_write, clock_ticks_to_ns(stores_end - stores_start));
	mv_hist_record(&result->local_flush, clock_ticks_to_ns(flush_end - flush_start));
}
