/* SPDX-License-Identifier: MIT */
/* The clocks by which everything here is timed, in nanoseconds. */
#include "vcpu/base/clock.h"

uint64_t clock_ns(clockid_t clock)
{
	struct timespec now = { 0 };

	clock_gettime(clock, &now);
	return ns_of_timespec(now);
}

uint64_t monotonic_ns(void)
{
	return clock_ns(CLOCK_MONOTONIC);
}

uint64_t thread_cpu_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}
