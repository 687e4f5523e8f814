/* SPDX-License-Identifier: MIT */
/*
 * The host's part of a trace: what becomes of a vCPU, recorded by its own thread.
 *
 * Tracing is off while a vCPU has no ring: then a hook costs one branch.
 */
#ifndef VCPU_TRACE_H
#define VCPU_TRACE_H

#include <x86intrin.h>

#include "minivmm/trace_abi.h"

/* In place of a pCPU, while the kernel schedules: threads share a host CPU unseen. */
#define TRACE_KERNEL_SCHEDULES UINT64_MAX

/* Events of a vCPU's thread; what `value` is, 0 where nothing is said. */
enum trace_kind {
	/* Each of these lasts until the next of them. */
	TRACE_RUN = MV_TRACE_HOST_KINDS, /* it has a pCPU: which one, or TRACE_KERNEL_SCHEDULES */
	TRACE_WAIT,			 /* it could run and has no pCPU: it is preempted */
	TRACE_HALT,			 /* it halts */
	TRACE_BLOCK,			 /* it waits for a phase */

	TRACE_EXIT,	/* enum vcpu_exit_kind */
	TRACE_MARK,	/* marked preempted */
	TRACE_EXCHANGE, /* the byte as the exchange returned it (Linux af3511ff7fa2) */
	TRACE_FLUSH,	/* a deferred flush is prepared */

	/* Of the conductor, in a ring of its own. */
	TRACE_PHASE_BEGIN, /* index of the mechanism */
	TRACE_PHASE_END,
};

/* By the ring's own thread; a null ring records nothing. */
static inline void trace(struct mv_trace_ring *ring, enum trace_kind kind, uint64_t value)
{
	if (__builtin_expect(!!ring, 0))
		mv_trace_record(ring, __rdtsc(), kind, 0, value);
}

/* Events of one ring: a power of two, so that nr_rings of them fit into so many bytes. */
uint32_t trace_ring_size(unsigned nr_rings, uint64_t bytes);

/* A ring for nr_events (a power of two), or NULL if there is not enough memory. */
struct mv_trace_ring *trace_ring_create(uint32_t nr_events);
void trace_ring_destroy(struct mv_trace_ring *ring); /* NULL is fine */

#endif
