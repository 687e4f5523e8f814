/* SPDX-License-Identifier: MIT */
/* What is asked of the pCPUs, and what came of it. */
#ifndef VCPU_PCPU_CONFIG_H
#define VCPU_PCPU_CONFIG_H

#include <stdint.h>

#include "vcpu/sched/sched_policy.h"

/* How vCPUs share the pCPUs; times in nanoseconds. */
struct pcpu_config {
	const int *host_cpu; /* of each pCPU */
	unsigned nr_pcpus;
	unsigned nr_vms;
	unsigned nr_vcpus; /* of each VM */
	struct sched_slices slices;
	uint64_t grace_ns; /* by which a slice may be extended once; 0: never */
	const struct sched_policy *policy;
	uint64_t seed;
};

/* Slices that ended by force: how long they should have lasted, and how long they did. */
struct slice_sums {
	uint64_t nr;
	uint64_t asked_ns;
	uint64_t had_ns;
};

#endif
