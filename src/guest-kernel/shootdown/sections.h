/* SPDX-License-Identifier: MIT */
/* Read-side sections, and grace periods that outlast them, for scenarios that free things. */
#ifndef GUEST_SECTIONS_H
#define GUEST_SECTIONS_H

#include "guest-kernel/cpu/percpu.h"

/* A vCPU enters a section, or leaves the one that it is in. Costs it a plain store. */
void section_boundary(const struct percpu *self);

/*
 * Returns when all sections of other vCPUs have ended that might have begun before the
 * call. Measured and counted as a shootdown: by the mechanism of this phase it makes them
 * flush, too.
 */
void sections_wait(struct percpu *self);

#endif
