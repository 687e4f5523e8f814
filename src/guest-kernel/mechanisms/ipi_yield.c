/* SPDX-License-Identifier: MIT */
/*
 * ipi-yield: ipi, and lend the pCPU to a target that is preempted.
 *
 * An initiator that waits for a preempted vCPU has nothing better to do with its pCPU
 * than to let that one run. Linux does so since 5.3 (KVM_HC_SCHED_YIELD), once, right
 * after the interrupts are sent; here the initiator looks at the target that it waits for
 * as long as it waits.
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
