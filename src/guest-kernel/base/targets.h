/* SPDX-License-Identifier: MIT */
/* Sets of vCPUs, and their order: vCPU 0 comes after the last one again. */
#ifndef GUEST_TARGETS_H
#define GUEST_TARGETS_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"

#define TARGETS_WORDS (MV_MAX_VCPUS / 64)

struct targets {
	uint64_t word[TARGETS_WORDS];
};

static inline void targets_add(struct targets *set, uint32_t vcpu)
{
	set->word[vcpu / 64] |= 1ull << (vcpu % 64);
}

static inline void targets_remove(struct targets *set, uint32_t vcpu)
{
	set->word[vcpu / 64] &= ~(1ull << (vcpu % 64));
}

static inline bool targets_have(const struct targets *set, uint32_t vcpu)
{
	return set->word[vcpu / 64] >> (vcpu % 64) & 1;
}

/* The vCPU that comes `distance` after another one. */
static inline uint32_t targets_after(uint32_t vcpu, uint32_t distance, uint32_t nr_vcpus)
{
	uint32_t after = vcpu + distance;

	return after < nr_vcpus ? after : after - nr_vcpus;
}

/* The vCPU that comes `distance` before another one. */
static inline uint32_t targets_before(uint32_t vcpu, uint32_t distance, uint32_t nr_vcpus)
{
	return targets_after(vcpu, nr_vcpus - distance, nr_vcpus);
}

/* How far `to` comes after `from`. */
static inline uint32_t targets_distance(uint32_t from, uint32_t to, uint32_t nr_vcpus)
{
	return to >= from ? to - from : to + nr_vcpus - from;
}

/* The first member from `vcpu` on, or MV_MAX_VCPUS. */
static inline uint32_t targets_next(const struct targets *set, uint32_t vcpu)
{
	while (vcpu < MV_MAX_VCPUS) {
		uint64_t rest = set->word[vcpu / 64] >> (vcpu % 64);

		if (rest)
			return vcpu + (uint32_t)__builtin_ctzll(rest);
		vcpu = (vcpu | 63) + 1;
	}
	return MV_MAX_VCPUS;
}

/* All members in ascending order; the one at hand may be removed. */
#define for_each_target(vcpu, set)                                      \
	for (uint32_t vcpu = targets_next(set, 0); vcpu < MV_MAX_VCPUS; \
	     vcpu = targets_next(set, vcpu + 1))

#endif
