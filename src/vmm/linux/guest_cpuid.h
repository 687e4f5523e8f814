/* SPDX-License-Identifier: MIT */
/* What a Linux guest finds in CPUID beyond what every guest does. Pure. */
#ifndef VMM_GUEST_CPUID_H
#define VMM_GUEST_CPUID_H

#include <stdbool.h>

#include "vcpu/base/kvm.h"

/*
 * Completes the table of one vCPU, which is that of any guest, from what KVM supports: that
 * this is KVM, its clock, x2APIC and the TSC-deadline timer, and vCPUs that are all cores
 * of one package. Nested virtualization and the PMU are left out.
 */
void guest_cpuid_complete(struct kvm_cpuid_table *table, const struct kvm_cpuid_table *supported,
			  unsigned apic_id, unsigned nr_vcpus, bool has_deadline_timer);

#endif
