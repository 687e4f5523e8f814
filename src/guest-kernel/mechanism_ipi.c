/* SPDX-License-Identifier: MIT */
/* ipi: interrupt every target and wait for all of them, as on a machine of one's own. */
#include "ipi.h"
#include "mechanism.h"

/*
 * The look at each target's byte changes nothing. It is there so that the share of
 * targets that are preempted can be compared between mechanisms.
 */
static uint32_t count_preempted(const struct targets *targets)
{
	uint32_t count = 0;

	for_each_target (target, targets)
		count += __atomic_load_n(&percpus[target].steal.preempted, __ATOMIC_RELAXED) &
			 KVM_VCPU_PREEMPTED;
	return count;
}

static void ipi_flush_others(struct percpu *self, struct targets *targets)
{
	struct ipi_tickets tickets;

	self->result->n.targets_preempted += count_preempted(targets);
	ipi_request(self, targets, &tickets);
	ipi_wait(targets, &tickets);
}

const struct mechanism mechanism_ipi = {
	.name = "ipi",
	.flush_others = ipi_flush_others,
};
