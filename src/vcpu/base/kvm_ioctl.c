/* SPDX-License-Identifier: MIT */
/* The one way to call KVM while a machine is being set up: a failure is named. */
#include "vcpu/base/kvm_ioctl.h"

#include <errno.h>
#include <sys/ioctl.h>

int kvm_ioctl_named(struct error *err, int fd, unsigned long request, const char *name,
		    uintptr_t arg)
{
	int result = ioctl(fd, request, arg);

	if (result < 0)
		return error_set_errno(err, EXIT_HOST, errno, "KVM refused %s", name);
	return result;
}
