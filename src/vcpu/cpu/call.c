/* SPDX-License-Identifier: MIT */
/* The one way to call KVM for a vCPU while its guest runs: what is refused ends the run. */
#include "vcpu/cpu/call.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vcpu/cpu/vcpu.h"

void vcpu_refuse(struct vcpu *v, const char *request, int errnum)
{
	if (!v->refused[0])
		snprintf(v->refused, sizeof(v->refused), "KVM refused %s: %s", request,
			 strerror(errnum));
}

int vcpu_ioctl_named(struct vcpu *v, unsigned long request, const char *name, uintptr_t arg)
{
	int result = ioctl(v->fd, request, arg);

	if (result < 0)
		vcpu_refuse(v, name, errno);
	return result;
}
