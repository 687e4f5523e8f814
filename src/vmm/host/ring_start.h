/* SPDX-License-Identifier: MIT */
/* Starts a vCPU in a ring, for the few instructions of a self-check or a measurement. */
#ifndef VMM_RING_START_H
#define VMM_RING_START_H

#include <linux/kvm.h>

#include "vcpu/base/error.h"
#include "vcpu/cpu/vcpu.h"

/*
 * Makes `regs` the registers of a vCPU, in 64-bit mode, by the boot page tables, in ring 0
 * or 3, with interrupts enabled. Ring 3 is what every KVM executes natively. There is no IDT,
 * so a fault is a triple fault. 0, or -1 with an error.
 */
int ring_start(struct vcpu *v, unsigned ring, const struct kvm_regs *regs, struct error *err);

#endif
