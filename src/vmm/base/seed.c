/* SPDX-License-Identifier: MIT */
/* Seeds, drawn where the user gives none. */
#include "vmm/base/seed.h"

#include <sys/random.h>

uint64_t seed_draw(uint64_t otherwise)
{
	uint64_t seed;

	if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return otherwise;
	return seed & SEED_MASK;
}
