/* SPDX-License-Identifier: MIT */
/* Rings for the host's trace events. */
#include "trace.h"

#include <stdlib.h>

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
