/* SPDX-License-Identifier: MIT */
/* KVM itself, as every VM and vCPU needs it: opened and asked once. */
#ifndef VCPU_KVM_H
#define VCPU_KVM_H

#include <linux/kvm.h>
#include <stdbool.h>
#include <stddef.h>

#define KVM_MAX_CPUID_LEAVES 256

/* A CPUID table, as KVM takes and gives it. */
struct kvm_cpuid_table {
	struct kvm_cpuid2 head;
	struct kvm_cpuid_entry2 leaf[KVM_MAX_CPUID_LEAVES];
};

struct kvm {
	int fd;				  /* of /dev/kvm */
	size_t run_bytes;		  /* of the kvm_run of each vCPU */
	struct kvm_cpuid_table supported; /* slow to ask for where CPUID traps */
	bool needs_wp_clear;		  /* vCPUs start with CR0.WP clear, see cr3_moves.h */
};

#endif
