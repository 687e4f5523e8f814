/* SPDX-License-Identifier: MIT */
/* Time as a vCPU sees it: the TSC, and how much of it the vCPU did not get. */
#ifndef GUEST_CLOCK_H
#define GUEST_CLOCK_H

#include <stdint.h>

#include "guest-kernel/cpu/x86.h"
#include "minivmm/pv_flush.h"

/* Nanoseconds for each TSC tick, 32.32 fixed point; set once from the boot information. */
extern uint64_t clock_ns_per_tick_32;

static inline uint64_t clock_ticks_to_ns(uint64_t ticks)
{
	return (uint64_t)(((unsigned __int128)ticks * clock_ns_per_tick_32) >> 32);
}

/* A point in time of one vCPU. */
struct moment {
	uint64_t tsc;
	uint64_t steal_ns; /* time that its host had taken from it until then */
};

/*
 * Reads both, at one moment. A vCPU that is descheduled between the two reads finds a larger
 * steal time when it comes back, and then reads both again.
 */
static inline struct moment clock_now(const struct kvm_steal_time *steal)
{
	struct moment now;

	do {
		now.steal_ns = pv_read_steal(steal);
		now.tsc = rdtsc();
	} while (pv_read_steal(steal) != now.steal_ns);
	return now;
}

#endif
