/* SPDX-License-Identifier: MIT */
/* Rings for the host's trace events. */
#include "vcpu/cpu/trace.h"

#include <stdlib.h>

/* Enough for seconds of a vCPU that does nothing but shoot, in 1.5 MiB. */
#define RING_EVENTS_MAX (64u << 10)

uint32_t trace_ring_size(unsigned nr_rings, uint64_t bytes)
{
	uint32_t nr_events = RING_EVENTS_MAX;

	while (nr_events > 1 && nr_rings * MV_TRACE_RING_BYTES(nr_events) > bytes)
		nr_events /= 2;
	return nr_events;
}

struct mv_trace_ring *trace_ring_create(uint32_t nr_events)
{
	struct mv_trace_ring *ring = calloc(1, MV_TRACE_RING_BYTES(nr_events));

	if (ring)
		ring->nr_events = nr_events;
	return ring;
}

void trace_ring_destroy(struct mv_trace_ring *ring)
{
	free(ring);
}
