/* SPDX-License-Identifier: MIT */
/* Random numbers that a seed repeats: splitmix64 (Steele, Lea, Flood, OOPSLA 2014). */
#ifndef VCPU_RANDOM_H
#define VCPU_RANDOM_H

#include <stdint.h>

/* The next number of a sequence. Every seed, 0 included, gives a good one. */
static inline uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

#endif
