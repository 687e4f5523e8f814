/* SPDX-License-Identifier: MIT */
/* The host's half of a steal-time page: marks, deferred flushes, steal time. */
#ifndef VCPU_STEAL_H
#define VCPU_STEAL_H

#include <asm/kvm_para.h>
#include <stdint.h>

#include "vcpu/base/guest_mem.h"

struct vcpu;

struct steal {
	struct kvm_steal_time *page; /* in guest memory; NULL while the guest has none */
	uint64_t msr;		     /* as the guest wrote it */
};

/*
 * The guest writes MSR_KVM_STEAL_TIME: from now on the page at this address is
 * used and the old one is left alone. Called between two runs of the vCPU, when
 * the old page holds nothing. 0, or -EINVAL: reserved bits, misaligned (64 bytes),
 * or outside RAM.
 */
int steal_set_msr(struct steal *s, const struct guest_mem *mem, uint64_t value);

/* The vCPU loses its pCPU while it could run: mark it preempted. */
void steal_leave(struct vcpu *v);

/* The vCPU has a pCPU again after waiting for `waited_ns`: take the byte, flush if
 * asked to, account for the time. */
void steal_enter(struct vcpu *v, uint64_t waited_ns);

#endif
