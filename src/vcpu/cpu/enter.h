/* SPDX-License-Identifier: MIT */
/* Into the guest and out of it: KVM_RUN, for the files of this folder. */
#ifndef VCPU_ENTER_H
#define VCPU_ENTER_H

#include "vcpu/cpu/exit.h"

struct vcpu;

/*
 * One KVM_RUN, which lets the guest execute unless the vCPU is in a state of KVM's in which
 * it does not. VCPU_EXIT_WAKEUP if KVM has waited in such a state and the wait is over.
 */
void vcpu_enter(struct vcpu *v, struct vcpu_exit *ret_exit);

/*
 * Hands to KVM what a flush has left in kvm_run (FLUSH_VIA_sync_regs), executing nothing.
 * KVM reads it at the next KVM_RUN only if the vCPU may execute, and overwrites it at the end
 * of every KVM_RUN.
 */
void vcpu_sync_registers(struct vcpu *v);

#endif
