/* SPDX-License-Identifier: MIT */
/* The clocks by which everything here is timed, in nanoseconds. */
#ifndef VCPU_CLOCK_H
#define VCPU_CLOCK_H

#include <stdint.h>
#include <time.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S  1000000000ull

static inline uint64_t ns_of_timespec(struct timespec t)
{
	return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

/* What a clock shows; 0 if there is no such clock, as of a process that has ended. */
uint64_t clock_ns(clockid_t clock);

/* CLOCK_MONOTONIC: the clock of all times that are compared with each other. */
uint64_t monotonic_ns(void);

/* CPU time of the calling thread so far. */
uint64_t thread_cpu_ns(void);

/* A span, or a time of some clock, as the kernel takes it. */
static inline struct timespec timespec_of_ns(uint64_t ns)
{
	return (struct timespec){
		.tv_sec = (time_t)(ns / NS_PER_S),
		.tv_nsec = (long)(ns % NS_PER_S),
	};
}

#endif
