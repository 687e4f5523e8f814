/* SPDX-License-Identifier: MIT */
/*
 * pv-halted: pv, on a host that marks halted vCPUs as preempted too.
 *
 * The guest does nothing else than under pv. The difference is whether the interrupt of
 * a shootdown wakes a halted target, which then flushes and halts again, or its flush
 * waits until something else wakes it. The kernel leaves halted vCPUs unmarked
 * (Linux 9ee83635d872), because the mark is used for other purposes as well.
 */
#include "guest-kernel/mechanisms/mechanisms.h"

void pv_halted_flush_others(struct percpu *self, struct targets *targets)
{
	pv_flush_others(self, targets);
}
