/* SPDX-License-Identifier: MIT */
/* A list of host CPUs, and how it is written: "0-1,3". */
#ifndef VMM_CPU_LIST_H
#define VMM_CPU_LIST_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_PCPUS 256

/* Host CPUs, in the order given. */
struct cpu_list {
	unsigned nr;
	int cpu[MAX_PCPUS];
};

bool cpu_list_has(const struct cpu_list *cpus, int cpu);

/* Writes the list as text, runs of successive CPUs as a range; cut off at `size`. */
void cpu_list_format(const struct cpu_list *cpus, char *text, size_t size);

#endif
