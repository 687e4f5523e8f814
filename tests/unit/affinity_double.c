/* SPDX-License-Identifier: MIT */
/* A kernel with more CPUs than this one has. */
#define _GNU_SOURCE
#include "affinity_double.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/types.h>

int __real_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set);
int __real_sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *set);
int __wrap_sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *set);

static struct {
	unsigned possible; /* 0: there is no double */
	bool in_cpuset[DOUBLE_MOST_CPUS], in_mask[DOUBLE_MOST_CPUS];
	int get_errno, set_errno;
} d;

void affinity_double_start(unsigned possible)
{
	memset(&d, 0, sizeof(d));
	d.possible = possible;
}

void affinity_double_stop(void)
{
	d.possible = 0;
}

void affinity_double_add(int cpu, bool inherited)
{
	d.in_cpuset[cpu] = true;
	d.in_mask[cpu] = inherited;
}

bool affinity_double_has(int cpu)
{
	return d.in_mask[cpu];
}

unsigned affinity_double_count(void)
{
	unsigned nr = 0;

	for (unsigned cpu = 0; cpu < d.possible; cpu++)
		nr += d.in_mask[cpu];
	return nr;
}

void affinity_double_fail_get(int errnum)
{
	d.get_errno = errnum;
}

void affinity_double_fail_set(int errnum)
{
	d.set_errno = errnum;
}

static int refuse(int errnum)
{
	errno = errnum;
	return -1;
}

/* As sched_getaffinity(2): EINVAL if the set has no room for every possible CPU. */
int __wrap_sched_getaffinity(pid_t pid, size_t bytes, cpu_set_t *set)
{
	if (!d.possible)
		return __real_sched_getaffinity(pid, bytes, set);
	if (d.get_errno)
		return refuse(d.get_errno);
	if (bytes * 8 < d.possible)
		return refuse(EINVAL);
	CPU_ZERO_S(bytes, set);
	for (unsigned cpu = 0; cpu < d.possible; cpu++) {
		if (d.in_mask[cpu])
			CPU_SET_S(cpu, bytes, set);
	}
	return 0;
}

/* As sched_setaffinity(2): what the cpuset leaves of it; EINVAL if that is nothing. */
int __wrap_sched_setaffinity(pid_t pid, size_t bytes, const cpu_set_t *set)
{
	bool wanted[DOUBLE_MOST_CPUS], any = false;

	if (!d.possible)
		return __real_sched_setaffinity(pid, bytes, set);
	if (d.set_errno)
		return refuse(d.set_errno);
	for (unsigned cpu = 0; cpu < d.possible; cpu++) {
		wanted[cpu] = cpu / 8 < bytes && CPU_ISSET_S(cpu, bytes, set) && d.in_cpuset[cpu];
		any |= wanted[cpu];
	}
	if (!any)
		return refuse(EINVAL);
	memcpy(d.in_mask, wanted, d.possible);
	return 0;
}
