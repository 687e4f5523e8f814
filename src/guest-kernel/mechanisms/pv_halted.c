/* SPDX-License-Identifier: MIT */
/*
 * pv-halted: pv, on a host that marks halted vCPUs as preempted too.
 *
 * The guest does nothing else than under pv. The difference is whether the interrupt of
 * a shootdown wakes a halted target, which then flushes and halts again, or its flush
 * waits until something else wakes it. Linux's hosts leave halted vCPUs unmarked
 * (commit 9ee83635d872), because the mark is used for other purposes as well.
 */
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/mechanisms/pv.h"

const struct mechanism mechanism_pv_halted = {
	.name = "pv-halted",
	.host = MV_HOST_MARKS | MV_HOST_MARKS_HALTED,
	.flush_others = pv_flush_others,
};
