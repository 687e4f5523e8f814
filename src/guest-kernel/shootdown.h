/* SPDX-License-Identifier: MIT */
/* One TLB shootdown, from the PTE stores to the point where the pages may be used again. */
#ifndef GUEST_SHOOTDOWN_H
#define GUEST_SHOOTDOWN_H

#include <stdint.h>

#include "percpu.h"

/* Consecutive pages within one leaf table. */
struct range {
	uint64_t gva;
	uint64_t *entry; /* that maps the first of them */
	uint32_t nr_pages;
};

/*
 * Unmaps a range (it may be empty), moves the oracle's mappings on, and makes
 * all vCPUs forget the old translations. Measures and counts itself in
 * self->result.
 */
void shootdown(struct percpu *self, const struct range *unmap);

#endif
