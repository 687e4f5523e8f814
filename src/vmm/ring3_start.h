/* SPDX-License-Identifier: MIT */
/* Starts a vCPU in ring 3, for the few instructions of a self-check or a benchmark. */
#ifndef VMM_RING3_START_H
#define VMM_RING3_START_H

#include <linux/kvm.h>

#include "error.h"
#include "vcpu.h"

/*
 * Makes `regs` the registers of a vCPU that has not run, in 64-bit mode, by the boot
 * page tables, but in ring 3: every KVM executes that natively. There is no IDT, so
 * a fault is a triple fault. 0, or -1 with an error.
 */
int ring3_start(struct vcpu *v, const struct kvm_regs *regs, struct error *err);

#endif
