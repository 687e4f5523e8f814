/* SPDX-License-Identifier: MIT */
/*
 * Whether a guest's MOV to and from CR3 do what they should on this host.
 *
 * With shadow page tables KVM has the CPU intercept both. A CPU that does not (one that QEMU
 * 10.0 emulates looks at the intercept of CR0 instead) shows a guest the shadow page table's
 * address, and lets it load addresses of the host's memory. KVM intercepts CR0 as long as the
 * guest's CR0 is not what KVM wants, which a clear CR0.WP sees to: then all is well.
 */
#ifndef VMM_CR3_MOVES_H
#define VMM_CR3_MOVES_H

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"

enum cr3_moves {
	CR3_MOVES_RIGHT,
	CR3_MOVES_RIGHT_WITHOUT_WP, /* only while the guest's CR0.WP is clear */
	CR3_MOVES_WRONG,
};

/* Tries it in a VM of its own: ring 0 stores CR3, loads it and stores it. 0, or -1. */
int cr3_moves_try(const struct kvm *kvm, enum cr3_moves *ret_moves, struct error *err);

#endif
