/* SPDX-License-Identifier: MIT */
/* The one way to call KVM while a machine is being set up: a failure is named. */
#ifndef VCPU_KVM_IOCTL_H
#define VCPU_KVM_IOCTL_H

#include <stdint.h>

#include "vcpu/base/error.h"

/*
 * Calls ioctl(fd, request, arg). Returns its result, 0 or more, or -1 with an
 * error that names the request (EXIT_HOST).
 */
#define kvm_ioctl(err, fd, request, arg) \
	kvm_ioctl_named(err, fd, request, #request, (uintptr_t)(arg))

int kvm_ioctl_named(struct error *err, int fd, unsigned long request, const char *name,
		    uintptr_t arg);

#endif
