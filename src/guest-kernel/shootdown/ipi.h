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
 * What an initiator does between two looks at whether `target` has answered. Returns true if the
 * initiator need not wait for this target any longer.
 */
typedef bool ipi_meanwhile(struct percpu *self, uint32_t target);

/* Does nothing, so that the initiator waits until the answer is there. */
ipi_meanwhile ipi_just_wait;

/*
 * Interrupts all targets and waits until each has flushed, or until `meanwhile` says that it
 * need not wait. Interrupts stay on, so that this vCPU serves the requests of others and two
 * initiators do not deadlock. Counts the interrupts in the initiator's counters.
 */
void ipi_flush(struct percpu *self, const struct targets *targets, ipi_meanwhile *meanwhile);

#endif
