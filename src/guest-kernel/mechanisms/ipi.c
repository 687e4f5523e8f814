/* SPDX-License-Identifier: MIT */
/* ipi: interrupt every target and wait for all of them, as on a machine of one's own. */
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/shootdown/ipi.h"
#include "guest-kernel/shootdown/steal.h"

void ipi_flush_others(struct percpu *self, struct targets *targets)
{
	self->result->n.targets_preempted += steal_count_preempted(targets);
	ipi_flush(self, targets, ipi_just_wait);
}
