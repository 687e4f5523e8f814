/* SPDX-License-Identifier: MIT */
/*
 * pv-kernel: pv, with the marks and flushes of the host's kernel instead of minivmm's.
 *
 * The guest does nothing else than under pv: the interface is the kernel's own. While
 * this mechanism is measured the kernel also schedules the vCPUs, since it can only
 * mark what it preempts itself.
 */
#include "guest-kernel/mechanisms/mechanisms.h"

void pv_kernel_flush_others(struct percpu *self, struct targets *targets)
{
	pv_flush_others(self, targets);
}
