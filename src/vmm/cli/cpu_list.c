/* SPDX-License-Identifier: MIT */
/* Lists of host CPUs. */
#include "vmm/cli/cpu_list.h"

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
