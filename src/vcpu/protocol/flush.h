/* SPDX-License-Identifier: MIT */
/*
 * Primitives that make KVM flush a vCPU's whole guest TLB before its next entry:
 * what INVVPID does for the kernel, asked for through KVM's ioctls.
 *
 * KVM documents none of them as a flush. Each changes something that an
 * architectural CPU flushes on, and the self-check proves on every host that this
 * KVM does. Setting a register to the value that it has is not enough, nor is an
 * exit: newer kernels flush there too (Linux 4346db6e6e7a), older ones do not.
 */
#ifndef VCPU_FLUSH_H
#define VCPU_FLUSH_H

#include <asm/kvm_para.h>

#include "vcpu/cpu/flush_primitive.h"

/* X(id, name, summary): <id>_prepare() and <id>_flush() are in flush.c. */
#define FLUSH_PRIMS(X)                                                            \
	X(sregs, "sregs", "KVM_GET_SREGS and KVM_SET_SREGS with CR3.PWT changed") \
	X(sync_regs, "sync-regs", "CR3.PWT changed through KVM_CAP_SYNC_REGS")    \
	X(steal_msr, "steal-msr",                                                 \
	  "the kernel's own deferred flush, through a steal-time page of the VMM's")

/* Of each vCPU, for steal-msr: two steal-time pages, see steal_msr_flush(). */
#define FLUSH_PAGES_BYTES (2 * sizeof(struct kvm_steal_time))

enum flush_prim {
#define X(id, name, summary) FLUSH_VIA_##id,
	FLUSH_PRIMS(X)
#undef X
		NR_FLUSH_PRIMS
};

extern const struct flush_primitive flush_primitives[NR_FLUSH_PRIMS];

#endif
