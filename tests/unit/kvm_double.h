/* SPDX-License-Identifier: MIT */
/*
 * A KVM for unit tests: the linker puts it in the place of ioctl() (`--wrap`). Its VMs and
 * vCPUs are files, so that what is left open shows; every request succeeds and does nothing
 * but what is told here. Requests that are not KVM's go to the kernel.
 */
#ifndef TESTS_KVM_DOUBLE_H
#define TESTS_KVM_DOUBLE_H

#include <linux/kvm.h>
#include <stdint.h>

#include "vcpu/base/kvm.h"

/* What its one vCPU, the last that was made, stands for. */
struct kvm_double_vcpu {
	struct kvm_run *run;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_cpuid_table cpuid;
	uint32_t mp_state;
	struct kvm_lapic_state lapic;
	uint8_t *ram; /* of its VM */

	/* KVM_RUN with immediate_exit: how often, the state that it found last, and in how many
	 * of those to come the instruction goes on with another access. */
	unsigned immediate_runs;
	uint32_t mp_state_when_immediate;
	unsigned more_accesses;
};

/* Forgets all that was told and counted, and opens it; kvm_double_close() when it is done. */
void kvm_double_open(struct kvm *kvm);
void kvm_double_close(struct kvm *kvm);

/* The call of `request` after `more` others, and as many as `times`, fail with this errno. */
void kvm_double_fail(unsigned long request, unsigned more, unsigned times, int errnum);

/* Its vCPU, as long as the double is open. */
struct kvm_double_vcpu *kvm_double_vcpu(void);

/* How often `request` was made. */
unsigned kvm_double_calls(unsigned long request);

/* What the last request of KVM's was made of. */
int kvm_double_last_fd(void);

/*
 * What KVM_RUN does, unless it is to return at once (immediate_exit): 0 and an exit in
 * kvm_run, or an errno.
 */
void kvm_double_set_guest(int (*enter)(struct kvm_double_vcpu *v));

/* Called at each successful request but KVM_RUN. */
void kvm_double_set_observer(void (*observe)(struct kvm_double_vcpu *v, unsigned long request,
					     const void *argument));

#endif
