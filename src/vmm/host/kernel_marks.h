/* SPDX-License-Identifier: MIT */
/* A probe: does this host's kernel mark the vCPUs that it preempts by itself? */
#ifndef VMM_KERNEL_MARKS_H
#define VMM_KERNEL_MARKS_H

#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vcpu/base/kvm.h"

/*
 * Lets a guest spin on `host_cpu`, takes that CPU away from it again and again, and
 * looks whether the kernel sets KVM_VCPU_PREEMPTED in a steal-time page of its own.
 * Takes up to 250 ms of that CPU's time besides the guest's, or for ever on a KVM that hangs;
 * probe_kernel_marks() has an end. 0, or -1 with an error.
 */
int kernel_marks_probe(const struct kvm *kvm, int host_cpu, bool *ret_marks, struct error *err);

#endif
