/* SPDX-License-Identifier: MIT */
/*
 * hypercall: leave the flush to the host, which knows who runs.
 *
 * One exit names all targets. The host flushes those that are parked when they are
 * resumed, forces the running ones out of the guest, and comes back when none of them
 * can execute anything with an old translation. No interrupt is sent, and no target
 * executes a handler. After Shoot4U (Ouyang and Lange, VEE 2016) and the flush
 * hypercalls of Hyper-V.
 */
#include "guest-kernel/base/platform.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/shootdown/steal.h"

/* The guest hands a struct targets to the host, which reads a struct mv_flush_mask. */
_Static_assert(sizeof(struct targets) == sizeof(struct mv_flush_mask), "the same words");

void hypercall_flush_others(struct percpu *self, struct targets *targets)
{
	self->result->n.targets_preempted += steal_count_preempted(targets);
	platform->flush(targets);
}
