/* SPDX-License-Identifier: MIT */
/*
 * Work: a fixed amount of computing.
 *
 * Work is measured in iterations and not by the clock: a clock would also count the
 * time in which the vCPU handles the IPIs of others or does not run at all, and so
 * hide the very cost that is to be measured.
 */
#include "guest-kernel/scenarios/work.h"

#include "guest-kernel/cpu/clock.h"

#define SAMPLES		  64
#define SAMPLE_ITERATIONS 20000

static uint64_t iterations_per_us;

static void iterate(uint64_t iterations)
{
	for (uint64_t i = 0; i < iterations; i++)
		asm volatile("" : "+r"(i));
}

/* The fastest of many samples is the one that nothing disturbed. */
void work_calibrate(void)
{
	uint64_t best_ns = UINT64_MAX;

	for (unsigned i = 0; i < SAMPLES; i++) {
		uint64_t start = rdtsc();

		iterate(SAMPLE_ITERATIONS);
		uint64_t ns = clock_ticks_to_ns(rdtsc() - start);
		if (ns < best_ns)
			best_ns = ns;
	}
	iterations_per_us = SAMPLE_ITERATIONS * 1000ull / (best_ns ? best_ns : 1);
}

void work_for_us(uint64_t us)
{
	iterate(us * iterations_per_us);
}
