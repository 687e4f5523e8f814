/* SPDX-License-Identifier: MIT */
/*
 * pv: defer the flush of preempted targets, interrupt the others and wait for them.
 *
 * A target that is not running cannot use its TLB, so nobody needs to wait for it: it
 * is enough that it flushes before it runs again, and the host sees to that. This is
 * the algorithm of kvm_flush_tlb_multi() in arch/x86/kernel/kvm.c (Linux 858a43aae236);
 * minivmm/pv_flush.h has the protocol.
 */
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/mechanisms/pv.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/ipi.h"
#include "guest-kernel/shootdown/trace.h"

void pv_defer_preempted(struct percpu *self, struct targets *targets)
{
	uint32_t deferred = 0, raced = 0;

	for_each_target (target, targets) {
		enum pv_defer answer = steps.try_defer(&percpus[target].steal.preempted);

		raced += answer == PV_RACED;
		if (answer == PV_DEFERRED) {
			targets_remove(targets, target);
			trace_defer(self, target);
			deferred++;
		}
	}
	self->result->n.targets_preempted += deferred + raced;
	self->result->n.flushes_deferred += deferred;
	self->result->n.defers_raced += raced;
}

void pv_flush_others(struct percpu *self, struct targets *targets)
{
	pv_defer_preempted(self, targets);
	ipi_flush(self, targets, ipi_just_wait);
}
