/* SPDX-License-Identifier: MIT */
/*
 * Keeps one VM with a vCPU open for as long as the machine runs, from the background.
 *
 * KVM patches its own code when the first VM appears and when the last one goes; in an
 * emulated machine with several CPUs, doing that again and again hangs it.
 */
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int fail(const char *what)
{
	perror(what);
	return 1;
}

int main(void)
{
	int kvm = open("/dev/kvm", O_RDWR);

	if (kvm < 0)
		return fail("hold_vm: /dev/kvm");
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0)
		return fail("hold_vm: KVM_CREATE_VM");
	if (ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
		return fail("hold_vm: KVM_CREATE_VCPU");

	/* The caller goes on once the VM exists. */
	if (daemon(0, 1) < 0)
		return fail("hold_vm: daemon");
	for (;;)
		pause();
}
