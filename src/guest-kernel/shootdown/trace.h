/* SPDX-License-Identifier: MIT */
/* Recording what an initiator does, for --trace. */
#ifndef GUEST_TRACE_H
#define GUEST_TRACE_H

#include "guest-kernel/base/targets.h"
#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/cpu/x86.h"

/* This vCPU's ring, or NULL if the VMM does not ask for a trace of the present phase. */
struct mv_trace_ring *trace_ring(const struct mv_boot_info *boot, uint32_t vcpu);

/* Touches all of this vCPU's ring, so that no page fault falls into what is measured. */
void trace_prepare(const struct mv_boot_info *boot, uint32_t vcpu);

void trace_record_defer(struct mv_trace_ring *ring, uint32_t target);
void trace_record_mask(struct mv_trace_ring *ring, enum mv_trace_kind kind,
		       const struct targets *targets);

/* The functions below record something only in phases that are traced; else they cost a branch. */

/* Records an event that happened at `tsc`. */
static inline void trace_at(const struct percpu *self, uint64_t tsc, enum mv_trace_kind kind,
			    uint32_t target, uint64_t value)
{
	if (self->trace)
		mv_trace_record(self->trace, tsc, kind, target, value);
}

/* Records what happens to a target now. */
static inline void trace_target(const struct percpu *self, enum mv_trace_kind kind, uint32_t target)
{
	if (self->trace)
		mv_trace_record(self->trace, rdtsc(), kind, target, 0);
}

/* Records that the flush of a target is deferred. Deferrals in a row become one event. */
static inline void trace_defer(const struct percpu *self, uint32_t target)
{
	if (self->trace)
		trace_record_defer(self->trace, target);
}

/* Records what happens to a set of targets now. */
static inline void trace_targets(const struct percpu *self, enum mv_trace_kind kind,
				 const struct targets *targets)
{
	if (self->trace)
		trace_record_mask(self->trace, kind, targets);
}

#endif
