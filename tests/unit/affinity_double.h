/* SPDX-License-Identifier: MIT */
/*
 * A kernel with more CPUs than this one, in the place of sched_getaffinity() and
 * sched_setaffinity() (`--wrap`), which are the real ones unless a test asks for it.
 */
#ifndef TESTS_AFFINITY_DOUBLE_H
#define TESTS_AFFINITY_DOUBLE_H

#include <stdbool.h>

#define DOUBLE_MOST_CPUS 4096

/* From now on: room for `possible` CPUs is asked for, and the calling thread may run on none. */
void affinity_double_start(unsigned possible);
void affinity_double_stop(void);

/* The thread's cpuset has this CPU; its mask has it, too, if `inherited`. */
void affinity_double_add(int cpu, bool inherited);

/* Whether the mask of the calling thread has this CPU, and how many it has. */
bool affinity_double_has(int cpu);
unsigned affinity_double_count(void);

/* From now on each sched_getaffinity(), or sched_setaffinity(), fails with this errno; 0: none. */
void affinity_double_fail_get(int errnum);
void affinity_double_fail_set(int errnum);

#endif
