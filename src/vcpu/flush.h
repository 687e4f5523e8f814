/* SPDX-License-Identifier: MIT */
/* Primitives that make KVM flush a vCPU's whole guest TLB before its next entry. */
#ifndef VCPU_FLUSH_H
#define VCPU_FLUSH_H

/* X(id, name, summary) */
#define FLUSH_PRIMS(X)                                                                             \
	X(SREGS, "sregs", "KVM_GET_SREGS and KVM_SET_SREGS with a control bit changed")            \
	X(SYNC_REGS, "sync-regs", "a control bit changed through kvm_run (KVM_CAP_SYNC_REGS)")     \
	X(STEAL_MSR, "steal-msr",                                                                  \
	  "the kernel's own KVM_VCPU_FLUSH_TLB, asked for through a page of the VMM's")

enum flush_prim {
#define X(id, name, summary) FLUSH_VIA_##id,
	FLUSH_PRIMS(X)
#undef X
	NR_FLUSH_PRIMS
};

#endif
