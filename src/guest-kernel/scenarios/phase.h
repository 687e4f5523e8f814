/* SPDX-License-Identifier: MIT */
/* A phase, as each vCPU goes through it: all begin together, and nobody leaves before all stop. */
#ifndef GUEST_PHASE_H
#define GUEST_PHASE_H

#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/scenarios/scenario.h"

/* How often a vCPU has stopped shooting at the end of a phase, over all vCPUs. Atomic. */
extern uint64_t vcpus_stopped;

/*
 * Repeats the scenario's round under self->mechanism for as long as `control` names the phase
 * that it named when all vCPUs were in it. Adds to self->result the time from then until this
 * vCPU has finished its last round: not what it waits for the others, before and after.
 *
 * Called by every vCPU once for each phase.
 */
void phase_run(struct percpu *self, const struct scenario *scenario,
	       const struct mv_control *control);

#endif
