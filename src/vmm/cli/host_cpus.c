/* SPDX-License-Identifier: MIT */
/* The host CPUs that a run may have as pCPUs. */
#include "vmm/cli/host_cpus.h"

#include <limits.h>

/* The first of them, as many as a list holds. */
static struct cpu_list list_first(const struct cpu_mask *mask)
{
	struct cpu_list list = { 0 };

	for (size_t cpu = 0; cpu < mask->bytes * CHAR_BIT && list.nr < MAX_PCPUS; cpu++) {
		if (cpu_mask_has(mask, (int)cpu))
			list.cpu[list.nr++] = (int)cpu;
	}
	return list;
}

void host_cpus_read(struct host_cpus *ret_cpus)
{
	struct cpu_mask inherited = { 0 };

	*ret_cpus = (struct host_cpus){ .unknown = -cpu_mask_read(&inherited) };
	if (ret_cpus->unknown)
		return;
	ret_cpus->inherited = list_first(&inherited);
	cpu_mask_finish(&inherited);
	if (cpu_mask_read_widest(&ret_cpus->permitted)) /* only those inherited */
		ret_cpus->permitted = (struct cpu_mask){ 0 };
}

void host_cpus_finish(struct host_cpus *cpus)
{
	cpu_mask_finish(&cpus->permitted);
}

void host_cpus_number(unsigned nr, struct host_cpus *ret_cpus)
{
	*ret_cpus = (struct host_cpus){ .inherited.nr = nr };
	for (unsigned i = 0; i < nr; i++)
		ret_cpus->inherited.cpu[i] = i;
}

int host_cpus_check(const struct host_cpus *cpus, struct error *err)
{
	if (cpus->inherited.nr)
		return 0;
	return error_set_errno(err, EXIT_HOST, cpus->unknown,
			       "cannot find out which host CPUs this process may use "
			       "(sched_getaffinity)");
}

static int check_permitted(const struct host_cpus *cpus, int cpu, struct error *err)
{
	struct cpu_list permitted = cpus->inherited;
	char usable[128];

	if (cpu_list_has(&permitted, cpu) || cpu_mask_has(&cpus->permitted, cpu))
		return 0;
	if (cpus->permitted.bytes)
		permitted = list_first(&cpus->permitted);
	cpu_list_format(&permitted, usable, sizeof(usable));
	return error_set(err, EXIT_USAGE,
			 "--pcpus names CPU %d, which is offline or not allowed to this "
			 "process: choose from %s",
			 cpu, usable);
}

int host_cpus_check_list(const struct host_cpus *cpus, const struct cpu_list *list,
			 struct error *err)
{
	for (unsigned i = 0; i < list->nr; i++) {
		struct cpu_list before = *list;

		before.nr = i;
		if (cpu_list_has(&before, list->cpu[i]))
			return error_set(err, EXIT_USAGE, "--pcpus names CPU %d twice",
					 list->cpu[i]);
		if (check_permitted(cpus, list->cpu[i], err))
			return -1;
	}
	return 0;
}
