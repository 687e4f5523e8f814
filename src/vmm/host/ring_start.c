/* SPDX-License-Identifier: MIT */
/* Starts a vCPU in a ring, for the few instructions of a self-check or a measurement. */
#include "vmm/host/ring_start.h"

#include "minivmm/x86.h"
#include "vcpu/base/kvm_ioctl.h"
#include "vmm/machine/x86_boot.h"

#define USER_CODE_SELECTOR 0x33
#define USER_DATA_SELECTOR 0x2b

int ring_start(struct vcpu *v, unsigned ring, const struct kvm_regs *regs, struct error *err)
{
	struct kvm_regs start = *regs;
	struct kvm_sregs sregs;

	if (kvm_ioctl(err, v->fd, KVM_GET_SREGS, &sregs) < 0)
		return -1;
	boot_set_sregs(&sregs);
	if (ring == 3) {
		sregs.cs.dpl = sregs.ss.dpl = 3;
		sregs.cs.selector = USER_CODE_SELECTOR;
		sregs.ss.selector = USER_DATA_SELECTOR;
	}
	if (kvm_ioctl(err, v->fd, KVM_SET_SREGS, &sregs) < 0)
		return -1;
	/*
	 * Nothing sends an interrupt. But Bochs (2.7, and its sources of August 2026) lets the
	 * host's interrupts wait while the guest's flag is clear: a loop would keep the CPU.
	 */
	start.rflags = RFLAGS_FIXED | RFLAGS_IF;
	return kvm_ioctl(err, v->fd, KVM_SET_REGS, &start);
}
