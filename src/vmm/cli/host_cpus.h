/* SPDX-License-Identifier: MIT */
/* The host CPUs that a run may have as pCPUs. */
#ifndef VMM_HOST_CPUS_H
#define VMM_HOST_CPUS_H

#include "vcpu/base/cpu_mask.h"
#include "vcpu/base/error.h"
#include "vmm/cli/cpu_list.h"

struct host_cpus {
	struct cpu_list inherited; /* by this process, MAX_PCPUS at the most: what runs have if
				      nobody says otherwise */
	struct cpu_mask permitted; /* by the kernel to whoever asks; empty: those inherited */
	int unknown;		   /* errno: why there are none, since the kernel did not say */
};

/* Asks the kernel. What it does not say is `unknown`, and told to who needs it. */
void host_cpus_read(struct host_cpus *ret_cpus);
void host_cpus_finish(struct host_cpus *cpus);

/* 0 if there are inherited ones, or -1 with an error (EXIT_HOST). */
int host_cpus_check(const struct host_cpus *cpus, struct error *err);

/* 0 if each CPU of --pcpus is permitted and named once, or -1 with an error. */
int host_cpus_check_list(const struct host_cpus *cpus, const struct cpu_list *list,
			 struct error *err);

#endif
