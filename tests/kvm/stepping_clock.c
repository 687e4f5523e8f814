/* SPDX-License-Identifier: MIT */
/* Preloaded into minivmm: a wall clock that is set a day forth and back at each look. */
#define _GNU_SOURCE
#include <stddef.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define STEP_S 86400

/* Forward at every other look. */
static time_t step(void)
{
	static unsigned looks;

	return __atomic_fetch_add(&looks, 1, __ATOMIC_RELAXED) % 2 ? STEP_S : -STEP_S;
}

int clock_gettime(clockid_t clock, struct timespec *ret_now)
{
	int result = (int)syscall(SYS_clock_gettime, clock, ret_now);

	if (result == 0 && clock == CLOCK_REALTIME)
		ret_now->tv_sec += step();
	return result;
}

time_t time(time_t *ret_now)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	if (ret_now)
		*ret_now = now.tv_sec;
	return now.tv_sec;
}

int gettimeofday(struct timeval *ret_now, void *zone)
{
	struct timespec now;

	(void)zone;
	clock_gettime(CLOCK_REALTIME, &now);
	*ret_now = (struct timeval){ .tv_sec = now.tv_sec, .tv_usec = now.tv_nsec / 1000 };
	return 0;
}
