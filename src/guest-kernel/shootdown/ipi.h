/* SPDX-License-Identifier: MIT */
/* Shootdown by interrupt: ask vCPUs to flush, and wait until they have. */
#ifndef GUEST_IPI_H
#define GUEST_IPI_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-kernel/base/targets.h"
#include "guest-kernel/cpu/percpu.h"

/* Lets this vCPU receive interrupts. In ring 3, once the IDT is filled. */
void ipi_enable(void);

/*
 * What an initiator does between two looks whether `target` has answered. True if it
 * need not be waited for any longer.
 */
typedef bool ipi_meanwhile(struct percpu *self, uint32_t target);

/* Nothing: waits until the answer is there. */
ipi_meanwhile ipi_just_wait;

/*
 * Interrupts all targets and waits until each has flushed, or `meanwhile` says that it
 * will. Interrupts stay on, and this vCPU serves the requests of others: two initiators
 * do not deadlock. Counts the interrupts in the initiator's counters.
 */
void ipi_flush(struct percpu *self, const struct targets *targets, ipi_meanwhile *meanwhile);

#endif
