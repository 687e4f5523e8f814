/* SPDX-License-Identifier: MIT */
/* Shootdown by interrupt: ask vCPUs to flush, and wait until they have. */
#ifndef GUEST_IPI_H
#define GUEST_IPI_H

#include <stdbool.h>
#include <stdint.h>

#include "percpu.h"
#include "targets.h"

/* The flushes that an initiator has asked for in one shootdown: a ticket for each target. */
struct ipi_tickets {
	uint64_t ticket[MV_MAX_VCPUS];
};

/* Lets this vCPU receive interrupts. In ring 3, once the IDT is filled. */
void ipi_enable(void);

/* Interrupts all targets. Counts them in the initiator's counters. */
void ipi_request(struct percpu *self, const struct targets *targets, struct ipi_tickets *tickets);

/* Whether a target has flushed for the ticket taken of it. */
bool ipi_served(const struct ipi_tickets *tickets, uint32_t target);

/*
 * Waits until all targets have flushed. Meanwhile interrupts are on and this
 * vCPU serves the requests of others: two initiators do not deadlock.
 */
void ipi_wait(const struct targets *targets, const struct ipi_tickets *tickets);

#endif
