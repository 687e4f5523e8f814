/* SPDX-License-Identifier: MIT */
/*
 * What the guest wants of the machine that it runs on, besides memory and CPUs: one
 * implementation for minivmm (doorbell.c), one for any VMM that starts PVH guests (pvh.c).
 */
#ifndef GUEST_PLATFORM_H
#define GUEST_PLATFORM_H

#include <stdint.h>

#include "guest-kernel/base/targets.h"
#include "minivmm/abi.h"

struct platform {
	/* Writes text on the console. */
	void (*puts)(const char *text);

	/* Ends the run with one of MV_EXIT_*. */
	void (*exit)(uint32_t code) __attribute__((noreturn));

	/*
	 * Waits until every vCPU waits here, and then for the next phase. Returns the
	 * index of the mechanism to measure, or MV_PHASE_END. A vCPU that waits takes no
	 * interrupts.
	 */
	uint32_t (*wait_phase)(void);

	/* Ends the phase when it is time. Called between two rounds. NULL: the host ends phases. */
	void (*after_round)(void);

	/* Lets another vCPU use the pCPU. For a vCPU that has nothing to do but wait. */
	void (*yield)(void);

	/*
	 * Lends the caller's pCPU to `vcpu`, if that waits for one. Returns when it is the
	 * caller's turn again.
	 */
	void (*yield_to)(uint32_t vcpu);

	/*
	 * Makes the host flush these vCPUs. Returns once none of them will execute another
	 * instruction before it has been flushed. NULL: the host cannot.
	 */
	void (*flush)(const struct targets *targets);

	/* Halts until the next interrupt. One that arrives just before the halt does not end it. */
	void (*halt)(void);

	/* Waits for ever. For a vCPU that has nothing more to do. */
	void (*idle)(void) __attribute__((noreturn));

	/* Interrupts a vCPU whose APIC id the xAPIC cannot name. NULL: there is none. */
	void (*send_ipi)(uint32_t vcpu, uint32_t vector);
};

/* The one of the machine at hand: minivmm's, unless pvh_start() has chosen its own. */
extern const struct platform *platform;

#endif
