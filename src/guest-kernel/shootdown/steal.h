/* SPDX-License-Identifier: MIT */
/* KVM's steal-time interface, seen from the guest. */
#ifndef GUEST_STEAL_H
#define GUEST_STEAL_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-kernel/base/targets.h"
#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/cpu/x86.h"

/* Gives the host this vCPU's steal-time page, if the host has use for it. */
void steal_register(struct percpu *self);

/*
 * Says why flushes may not be deferred on a machine of so many vCPUs whose CPUID has these
 * leaves; NULL if they may.
 */
const char *steal_why_no_pv_flush(const struct cpuid *leaf_1, const struct cpuid *kvm_features,
				  uint32_t nr_vcpus);

/* Whether a vCPU is marked preempted. It may have been resumed by the time of the return. */
static inline bool steal_is_preempted(uint32_t vcpu)
{
	return __atomic_load_n(&percpus[vcpu].steal.preempted, __ATOMIC_RELAXED) &
	       KVM_VCPU_PREEMPTED;
}

/*
 * How many vCPUs of a set are marked preempted. Mechanisms that make no other use of the marks
 * count them by this, so that the share of preempted targets is known for every mechanism.
 */
uint32_t steal_count_preempted(const struct targets *targets);

#endif
