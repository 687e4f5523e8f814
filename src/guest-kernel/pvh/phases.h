/* SPDX-License-Identifier: MIT */
/* Phases, where no host leads the guest through them: it does so itself, by the TSC. */
#ifndef GUEST_PVH_PHASES_H
#define GUEST_PVH_PHASES_H

#include <stdint.h>

#define PHASE_MS 50 /* mechanisms take turns, so that drift hits all alike */

/* So long for each of the mechanisms. Before anybody waits, and once the clock is known. */
void phases_init(uint64_t duration_ms);

/* What struct platform wants. */
uint32_t phases_wait(void);
void phases_after_round(void);

#endif
