/* SPDX-License-Identifier: MIT */
/* The manifest of the host: what a reader of a figure has to know about the machine. */
#ifndef VMM_HOST_INFO_H
#define VMM_HOST_INFO_H

#include <stdbool.h>
#include <stdint.h>

/*
 * X(field, capability): what KVM_CHECK_EXTENSION says, 0 where a capability is missing.
 * The field is also the name in the JSON.
 */
#define HOST_KVM_CAPS(X)                              \
	X(max_vcpus, KVM_CAP_MAX_VCPUS)               \
	X(recommended_vcpus, KVM_CAP_NR_VCPUS)        \
	X(memory_slots, KVM_CAP_NR_MEMSLOTS)          \
	X(irqchip, KVM_CAP_IRQCHIP)                   \
	X(split_irqchip, KVM_CAP_SPLIT_IRQCHIP)       \
	X(immediate_exit, KVM_CAP_IMMEDIATE_EXIT)     \
	X(sync_regs, KVM_CAP_SYNC_REGS)               \
	X(msr_filter, KVM_CAP_X86_MSR_FILTER)         \
	X(user_space_msr, KVM_CAP_X86_USER_SPACE_MSR) \
	X(steal_time, KVM_CAP_STEAL_TIME)             \
	X(tsc_khz, KVM_CAP_GET_TSC_KHZ)               \
	X(tsc_control, KVM_CAP_TSC_CONTROL)

/* Says in an emulated machine by what it is emulated: "QEMU 7.2.22 (TCG)". Set by `minivmm lab`. */
#define HOST_EMULATOR_VARIABLE "MINIVMM_EMULATOR"

struct host_kvm_caps {
#define X(field, capability) int field;
	HOST_KVM_CAPS(X)
#undef X
};

struct host_info {
	char cpu_model[64];
	unsigned online_cpus;
	char kernel[128];    /* name and release, as in uname */
	char kvm_module[32]; /* kvm_intel, kvm_amd, kvm_pvm ...; "unknown" */
	char hypervisor[32]; /* the hypervisor this host itself runs under, or "none" */
	char paging[32];     /* how KVM translates guest addresses, or "unknown" */
	bool intercepts_cr3; /* KVM uses VMX or SVM, and keeps shadow page tables */
	char emulator[64];   /* what HOST_EMULATOR_VARIABLE says, or "none" */
	int kvm_api_version; /* 0 if KVM could not be asked */
	struct host_kvm_caps kvm_caps;
	uint64_t tsc_hz; /* of the guest's TSC, 0 if unknown; filled in by whoever made a vCPU */
	uint64_t mem_total_bytes;
	char minivmm_version[32];
	char time_utc[32]; /* start of the run, ISO 8601 */
};

/* Fills in what the system says; what cannot be learned is "unknown" or 0. */
void host_info_read(struct host_info *ret_info);

#endif
