/* SPDX-License-Identifier: MIT */
/*
 * Trace events and the rings that they are kept in, for both worlds.
 *
 * A ring has one writer, its vCPU: the guest's kernel for the rings in guest memory,
 * the vCPU's thread for those in the VMM. So recording takes no lock and no locked
 * instruction, just a time stamp and a store. It is read when everything has stopped.
 *
 * A full ring overwrites its oldest event: what led to the end of a run, which may
 * be a stale read or a hang, is worth more than how it began. `head` counts every event
 * ever recorded, so that the number of those lost is known.
 *
 * Guest and host stamp with the TSC, which minivmm makes the same for both.
 */
#ifndef MINIVMM_TRACE_ABI_H
#define MINIVMM_TRACE_ABI_H

#include <stdint.h>

/*
 * What a guest records, at MV_CONTROL_TRACE; `index` and `value` by kind. A mask has
 * bit n for vCPU 64 * index + n. Kinds from MV_TRACE_HOST_KINDS on are the host's.
 */
enum mv_trace_kind {
	MV_TRACE_SHOOTDOWN_BEGIN, /* value: number of targets */
	MV_TRACE_SHOOTDOWN_END,
	MV_TRACE_DEFER,	     /* value: mask of targets whose flush has been deferred */
	MV_TRACE_IPI,	     /* value: mask of targets that are going to be interrupted */
	MV_TRACE_ACK,	     /* index: the target that has answered, and is waited for no more */
	MV_TRACE_DEFER_LATE, /* index: likewise, because its flush has been deferred by now */
	MV_TRACE_HOST_KINDS = 64,
};

struct mv_trace_event {
	uint64_t tsc;
	uint64_t value;
	uint16_t kind;
	uint16_t index;
	uint32_t reserved;
};

/*
 * At boot_info.trace_gpa lies a ring for each vCPU, MV_TRACE_RING_BYTES(nr_events)
 * apart. `nr_events` is IN, a power of two and the same for all; the rest is OUT.
 */
struct mv_trace_ring {
	uint64_t head; /* events recorded so far; the next goes to head % nr_events */
	uint32_t nr_events;
	uint32_t reserved[13];
	struct mv_trace_event event[];
};

#define MV_TRACE_RING_BYTES(nr_events) \
	(sizeof(struct mv_trace_ring) + (uint64_t)(nr_events) * sizeof(struct mv_trace_event))

static inline void mv_trace_record(struct mv_trace_ring *ring, uint64_t tsc, unsigned kind,
				   unsigned index, uint64_t value)
{
	ring->event[ring->head & (ring->nr_events - 1)] = (struct mv_trace_event){
		.tsc = tsc,
		.value = value,
		.kind = (uint16_t)kind,
		.index = (uint16_t)index,
	};
	ring->head++;
}

_Static_assert(sizeof(struct mv_trace_ring) == 64, "layout is part of the ABI");
_Static_assert(sizeof(struct mv_trace_event) == 24, "layout is part of the ABI");

#endif
