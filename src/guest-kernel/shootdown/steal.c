/* SPDX-License-Identifier: MIT */
/*
 * KVM's steal-time interface, seen from the guest.
 *
 * Sources: Linux Documentation/virt/kvm/x86/cpuid.rst and msr.rst; the conditions are
 * those of pv_tlb_flush_supported() in arch/x86/kernel/kvm.c (the one on MWAIT since
 * Linux 40cd58dbf121).
 */
#include "guest-kernel/shootdown/steal.h"

#include "minivmm/x86.h"

static bool has_feature(const struct cpuid *kvm_features, unsigned bit)
{
	return kvm_features->eax >> bit & 1;
}

void steal_register(struct percpu *self)
{
	struct cpuid kvm_features = cpuid(KVM_CPUID_FEATURES);

	if (has_feature(&kvm_features, KVM_FEATURE_STEAL_TIME))
		wrmsr(MSR_KVM_STEAL_TIME, (uint64_t)&self->steal | KVM_MSR_ENABLED);
}

const char *steal_why_no_pv_flush(const struct cpuid *leaf_1, const struct cpuid *kvm_features,
				  uint32_t nr_vcpus)
{
	if (!has_feature(kvm_features, KVM_FEATURE_STEAL_TIME))
		return "the host offers no steal time (KVM_FEATURE_STEAL_TIME)";
	if (!has_feature(kvm_features, KVM_FEATURE_PV_TLB_FLUSH))
		return "the host does not flush on request (KVM_FEATURE_PV_TLB_FLUSH)";
	if (kvm_features->edx >> KVM_HINTS_REALTIME & 1)
		return "the host says that it never preempts vCPUs (KVM_HINTS_REALTIME)";
	if (leaf_1->ecx & CPUID_1_ECX_MWAIT)
		return "MWAIT is exposed: idle vCPUs would never be marked";
	if (nr_vcpus < 2)
		return "there is only one vCPU";
	return NULL;
}

uint32_t steal_count_preempted(const struct targets *targets)
{
	uint32_t count = 0;

	for_each_target (target, targets)
		count += steal_is_preempted(target);
	return count;
}
