/* SPDX-License-Identifier: MIT */
/* Seeds, drawn where the user gives none. */
#ifndef VMM_SEED_H
#define VMM_SEED_H

#include <stdint.h>

/* Seeds of our own making fit into a double, as which many read JSON numbers. */
#define SEED_MASK ((1ull << 53) - 1)

/* A seed from the kernel, or `otherwise` if it has none yet. */
uint64_t seed_draw(uint64_t otherwise);

#endif
