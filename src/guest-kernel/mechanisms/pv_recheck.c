/* SPDX-License-Identifier: MIT */
/*
 * pv-recheck: pv, and do not wait for targets that are preempted after the interrupt was sent.
 *
 * pv looks at a target once. A target that loses its pCPU between that look and its
 * handler of the interrupt keeps the initiator waiting until it runs again: a slice of
 * each vCPU before it in the queue. Such a race is rare, and yet it is most of what pv
 * loses when vCPUs outnumber pCPUs, because each costs milliseconds.
 *
 * So the initiator goes on looking while it waits, and asks a target that is preempted
 * now to flush later, as if it had been preempted at the first look. Why this is correct:
 *
 *   - The deferral is the same locked exchange as before, it comes after the PTE
 *     stores, and it alone carries the promise: the host flushes all of the target's
 *     TLB before the target executes its next instruction. What the target did with
 *     the interrupt so far does not matter, even if it was preempted inside the
 *     handler, before, within or after its flush.
 *   - The interrupt stays pending and is taken when the target runs again. It then
 *     flushes once more and serves a ticket that nobody waits for. Tickets only grow:
 *     it takes nothing from a later request, whose own ticket comes with an interrupt
 *     of its own (see ipi.c).
 *   - If the exchange fails the target has been resumed. It has the interrupt pending,
 *     and will answer: waiting goes on.
 *
 * A look costs next to nothing: only the host writes the byte, when it marks or takes
 * it, so in between the initiator reads its own cache. Only the target waited for is
 * looked at; the initiator sees what has become of the others when their turn comes.
 */
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/mechanisms/pv.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/ipi.h"

static bool defer_if_preempted(struct percpu *self, uint32_t target)
{
	struct mv_counters *n = &self->result->n;
	enum pv_defer answer = steps.try_defer(&percpus[target].steal.preempted);

	n->flushes_deferred += answer == PV_DEFERRED;
	n->rechecks_deferred += answer == PV_DEFERRED;
	n->defers_raced += answer == PV_RACED;
	return answer == PV_DEFERRED || ipi_just_wait(self, target);
}

void pv_recheck_flush_others(struct percpu *self, struct targets *targets)
{
	pv_defer_preempted(self, targets);
	ipi_flush(self, targets, defer_if_preempted);
}
