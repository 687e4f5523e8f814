/* SPDX-License-Identifier: MIT */
/* One TLB shootdown, from the PTE stores to the point where the pages may be used again. */
#ifndef GUEST_SHOOTDOWN_H
#define GUEST_SHOOTDOWN_H

#include <stdint.h>

#include "guest-kernel/cpu/clock.h"
#include "guest-kernel/cpu/percpu.h"

/* Consecutive pages within one leaf table. */
struct range {
	uint64_t gva;
	uint64_t *entry; /* that maps the first of them */
	uint32_t nr_pages;
};

/*
 * Removes targets that need no flush now from a set, and returns how many are left. A shootdown
 * calls it after it has stored its PTEs.
 */
typedef uint32_t shootdown_narrow(struct targets *targets);

/*
 * Unmaps a range, which may be empty, moves the oracle's mappings on, and makes the vCPU's
 * targets forget the old translations. `narrow` may remove some of the targets first; NULL
 * removes none. Measures and counts itself in self->result.
 */
void shootdown(struct percpu *self, const struct range *unmap, shootdown_narrow *narrow);

/* The local flush of a shootdown: drops what this vCPU has cached of the old translations. */
void shootdown_flush_self(const struct percpu *self, const struct range *unmap);

/*
 * The measured part of a shootdown, for scenarios that store their PTEs themselves or shoot for
 * another purpose. What happens between the two calls is measured, counted and traced as one
 * shootdown of nr_targets targets.
 */
struct moment shootdown_begin(struct percpu *self);
void shootdown_end(struct percpu *self, const struct moment *start, uint32_t nr_targets);

#endif
