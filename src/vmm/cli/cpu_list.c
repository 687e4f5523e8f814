/* SPDX-License-Identifier: MIT */
/* Lists of host CPUs. */
#define _GNU_SOURCE /* sched_getaffinity() */
#include "vmm/cli/cpu_list.h"

#include <sched.h>
#include <stdio.h>

bool cpu_list_has(const struct cpu_list *cpus, int cpu)
{
	for (unsigned i = 0; i < cpus->nr; i++) {
		if (cpus->cpu[i] == cpu)
			return true;
	}
	return false;
}

/* The index of the last CPU of the run of successive numbers that begins at `first`. */
static unsigned run_end(const struct cpu_list *cpus, unsigned first)
{
	unsigned last = first;

	while (last + 1 < cpus->nr && cpus->cpu[last + 1] == cpus->cpu[last] + 1)
		last++;
	return last;
}

void cpu_list_format(const struct cpu_list *cpus, char *text, size_t size)
{
	size_t used = 0;

	text[0] = 0;
	for (unsigned first = 0; first < cpus->nr && used < size;) {
		unsigned last = run_end(cpus, first);
		const char *comma = first ? "," : "";
		int n = last == first ? snprintf(text + used, size - used, "%s%d", comma,
						 cpus->cpu[first])
				      : snprintf(text + used, size - used, "%s%d-%d", comma,
						 cpus->cpu[first], cpus->cpu[last]);

		used += n > 0 ? (size_t)n : 0;
		first = last + 1;
	}
}

void cpu_list_read_allowed(struct cpu_list *ret_cpus)
{
	cpu_set_t set;

	*ret_cpus = (struct cpu_list){ 0 };
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && ret_cpus->nr < MAX_PCPUS; cpu++) {
		if (CPU_ISSET(cpu, &set))
			ret_cpus->cpu[ret_cpus->nr++] = cpu;
	}
}
