/* SPDX-License-Identifier: MIT */
/*
 * ipi-yield: ipi, and lend the pCPU to a target that is preempted.
 *
 * An initiator that waits for a preempted vCPU has no better use for its pCPU than to let
 * that vCPU run on it. Linux yields once, right after it has sent the interrupts (since 5.3,
 * KVM_HC_SCHED_YIELD). Here the initiator yields whenever it finds the target preempted,
 * for as long as it waits.
 */
#include "guest-kernel/base/platform.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/shootdown/ipi.h"
#include "guest-kernel/shootdown/steal.h"

static bool yield_if_preempted(struct percpu *self, uint32_t target)
{
	if (steal_is_preempted(target))
		platform->yield_to(target);
	return ipi_just_wait(self, target);
}

void ipi_yield_flush_others(struct percpu *self, struct targets *targets)
{
	self->result->n.targets_preempted += steal_count_preempted(targets);
	ipi_flush(self, targets, yield_if_preempted);
}
