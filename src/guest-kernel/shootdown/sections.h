/* SPDX-License-Identifier: MIT */
/* Read-side sections, and grace periods that outlast them, for scenarios that free things. */
#ifndef GUEST_SECTIONS_H
#define GUEST_SECTIONS_H

#include "guest-kernel/cpu/percpu.h"

/* This vCPU enters a section, or leaves the one that it is in. It costs a plain store. */
void section_boundary(const struct percpu *self);

/*
 * Waits for a grace period: until every section has ended that a target may have begun before
 * the call. It makes the targets flush, by the mechanism of this phase, and is measured and
 * counted as a shootdown.
 */
void sections_wait(struct percpu *self);

#endif
