/* SPDX-License-Identifier: MIT */
/* The one way to call KVM but for KVM_RUN: interruptions are no failures, and failures are named.
 */
#include "vcpu/base/kvm_ioctl.h"

#include <errno.h>
#include <sys/ioctl.h>

int kvm_call(int fd, unsigned long request, uintptr_t arg)
{
	int result;

	do
		result = ioctl(fd, request, arg);
	while (result < 0 && errno == EINTR);
	return result;
}

int kvm_ioctl_named(struct error *err, int fd, unsigned long request, const char *name,
		    uintptr_t arg)
{
	int result = kvm_call(fd, request, arg);

	if (result < 0)
		return error_set_errno(err, EXIT_HOST, errno, "KVM refused %s", name);
	return result;
}
