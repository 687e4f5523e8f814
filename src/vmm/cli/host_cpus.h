/* SPDX-License-Identifier: MIT */
/* The host CPUs that a run may have as pCPUs. */
#ifndef VMM_HOST_CPUS_H
#define VMM_HOST_CPUS_H

#include "vcpu/base/cpu_mask.h"
#include "vcpu/base/error.h"
#include "vmm/cli/cpu_list.h"

struct host_cpus {
	/* In this process's affinity mask, MAX_PCPUS at the most: the default pCPUs. */
	struct cpu_list inherited;
	/* That --pcpus may name, by the cpuset; empty: only those inherited. */
	struct cpu_mask permitted;
	int unknown; /* the errno with which the kernel refused to name any, or 0 */
};

/* Asks the kernel. If it refuses, the functions below report that. */
void host_cpus_read(struct host_cpus *ret_cpus);
void host_cpus_finish(struct host_cpus *cpus);

/* Those of a machine that has CPUs 0 to nr - 1, nr up to MAX_PCPUS. Nothing to finish. */
void host_cpus_number(unsigned nr, struct host_cpus *ret_cpus);

/* 0 if the inherited CPUs are known, or -1 with an error (EXIT_HOST). */
int host_cpus_check(const struct host_cpus *cpus, struct error *err);

/* 0 if each CPU of --pcpus is permitted and named once, or -1 with an error. */
int host_cpus_check_list(const struct host_cpus *cpus, const struct cpu_list *list,
			 struct error *err);

#endif
