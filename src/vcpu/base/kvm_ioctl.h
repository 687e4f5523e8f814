/* SPDX-License-Identifier: MIT */
/* The one way to call KVM but for KVM_RUN: interruptions are no failures, and failures are named.
 */
#ifndef VCPU_KVM_IOCTL_H
#define VCPU_KVM_IOCTL_H

#include <stdint.h>

#include "vcpu/base/error.h"

/*
 * ioctl(), repeated as long as it is interrupted: a process that is stopped and continued
 * finds that KVM_CREATE_VM, for one, was (EINTR), and nothing was done. Not for KVM_RUN,
 * which is interrupted on purpose.
 */
int kvm_call(int fd, unsigned long request, uintptr_t arg);

/*
 * Calls kvm_call(fd, request, arg). Returns its result, 0 or more, or -1 with an
 * error that names the request (EXIT_HOST).
 */
#define kvm_ioctl(err, fd, request, arg) \
	kvm_ioctl_named(err, fd, request, #request, (uintptr_t)(arg))

int kvm_ioctl_named(struct error *err, int fd, unsigned long request, const char *name,
		    uintptr_t arg);

#endif
