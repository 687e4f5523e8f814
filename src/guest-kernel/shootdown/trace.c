/* SPDX-License-Identifier: MIT */
/* Recording what an initiator does, for --trace. */
#include "guest-kernel/shootdown/trace.h"

#include "guest-kernel/base/memory.h"

/* The rings lie one behind the other, all of one size. */
static struct mv_trace_ring *ring_of(const struct mv_boot_info *boot, uint32_t vcpu)
{
	const struct mv_trace_ring *first = (const struct mv_trace_ring *)boot->trace_gpa;
	uint64_t ring_bytes = MV_TRACE_RING_BYTES(first->nr_events);

	return (struct mv_trace_ring *)(boot->trace_gpa + vcpu * ring_bytes);
}

struct mv_trace_ring *trace_ring(const struct mv_boot_info *boot, uint32_t vcpu)
{
	const struct mv_control *control = (const struct mv_control *)MV_CONTROL_GPA;

	if (!boot->trace_gpa || !(control->flags & MV_CONTROL_TRACE))
		return NULL;
	return ring_of(boot, vcpu);
}

void trace_prepare(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (!boot->trace_gpa)
		return;

	struct mv_trace_ring *ring = ring_of(boot, vcpu);
	for (uint32_t i = 0; i < ring->nr_events; i += PAGE_BYTES / sizeof(struct mv_trace_event))
		__atomic_store_n(&ring->event[i].tsc, 0, __ATOMIC_RELAXED);
}

/* Deferrals that follow each other are one event, with the time of the first. */
void trace_record_defer(struct mv_trace_ring *ring, uint32_t target)
{
	struct mv_trace_event *last = &ring->event[(ring->head - 1) & (ring->nr_events - 1)];
	uint64_t bit = 1ull << (target % 64);

	if (last->kind == MV_TRACE_DEFER && last->index == target / 64)
		last->value |= bit;
	else
		mv_trace_record(ring, rdtsc(), MV_TRACE_DEFER, target / 64, bit);
}

void trace_record_mask(struct mv_trace_ring *ring, enum mv_trace_kind kind,
		       const struct targets *targets)
{
	uint64_t now = rdtsc();

	for (uint32_t i = 0; i < TARGETS_WORDS; i++)
		if (targets->word[i])
			mv_trace_record(ring, now, kind, i, targets->word[i]);
}
