/* SPDX-License-Identifier: MIT */
/* What the guest wants of the machine that it runs on, besides memory and CPUs. */
#ifndef GUEST_PLATFORM_H
#define GUEST_PLATFORM_H

#include <stdint.h>

#include "targets.h"

/* Writes text on the console. */
void platform_puts(const char *text);

/* Ends the run with one of MV_EXIT_*. */
_Noreturn void platform_exit(uint32_t code);

/*
 * Waits until every vCPU waits here, and then for the next phase. Returns the
 * index of the mechanism to measure, or MV_PHASE_END. A vCPU that waits takes no
 * interrupts.
 */
uint32_t platform_wait_phase(void);

/* Lets another vCPU use the pCPU, for one that has nothing to do but wait. */
void platform_yield(void);

/*
 * Lets this vCPU use the pCPU that it waits for, if it does wait. Returns when it is
 * the caller's turn again.
 */
void platform_yield_to(uint32_t vcpu);

/*
 * Makes the host flush these vCPUs. Returns once none of them will execute another
 * instruction before it has been flushed.
 */
void platform_flush(const struct targets *targets);

/* Halts until the next interrupt. One that arrives just before does not count. */
void platform_halt(void);

/* Has nothing more to do, ever. */
_Noreturn void platform_idle(void);

/* Interrupts a vCPU whose APIC id the xAPIC cannot name. */
void platform_send_ipi(uint32_t vcpu, uint32_t vector);

#endif
