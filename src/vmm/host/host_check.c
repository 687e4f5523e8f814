/* SPDX-License-Identifier: MIT */
/* Opens KVM and checks that it has what minivmm needs, before anything is built. */
#include "vmm/host/host_check.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vcpu/base/kvm_ioctl.h"

#define KVM_PATH "/dev/kvm"

static const struct {
	int cap;
	int mask; /* of what KVM_CHECK_EXTENSION returns */
	const char *name;
} needed[] = {
	{ KVM_CAP_USER_MEMORY, ~0, "KVM_CAP_USER_MEMORY" },
	{ KVM_CAP_SPLIT_IRQCHIP, ~0, "KVM_CAP_SPLIT_IRQCHIP" },
	{ KVM_CAP_X2APIC_API, KVM_X2APIC_API_USE_32BIT_IDS | KVM_X2APIC_API_DISABLE_BROADCAST_QUIRK,
	  "KVM_CAP_X2APIC_API" },
	{ KVM_CAP_X86_USER_SPACE_MSR, ~0, "KVM_CAP_X86_USER_SPACE_MSR" },
	{ KVM_CAP_X86_MSR_FILTER, ~0, "KVM_CAP_X86_MSR_FILTER" },
	{ KVM_CAP_IMMEDIATE_EXIT, ~0, "KVM_CAP_IMMEDIATE_EXIT" },
	{ KVM_CAP_MP_STATE, ~0, "KVM_CAP_MP_STATE" },
	{ KVM_CAP_GET_TSC_KHZ, ~0, "KVM_CAP_GET_TSC_KHZ" },
	{ KVM_CAP_SYNC_REGS, KVM_SYNC_X86_SREGS, "KVM_CAP_SYNC_REGS" },
	{ KVM_CAP_VCPU_ATTRIBUTES, ~0, "KVM_CAP_VCPU_ATTRIBUTES" },
};

static int open_error(struct error *err)
{
	switch (errno) {
	case ENOENT:
		return error_set(err, EXIT_HOST,
				 "there is no " KVM_PATH ": load the KVM module of "
				 "this CPU (modprobe kvm_intel or kvm_amd), and see that "
				 "virtualization is on in the firmware");
	case EACCES:
	case EPERM:
		return error_set(err, EXIT_HOST,
				 "no permission to use " KVM_PATH ": join the group "
				 "kvm (usermod -aG kvm $USER, then log in again) or run as root");
	case EISDIR:
		return error_set(err, EXIT_HOST,
				 KVM_PATH " is no KVM, but a directory: remove it, then load the "
					  "KVM module of this CPU (modprobe kvm_intel or kvm_amd)");
	default:
		return error_set_errno(err, EXIT_HOST, errno, "cannot open " KVM_PATH);
	}
}

static int check_caps(int kvm_fd, struct error *err)
{
	char missing[256] = "";
	size_t used = 0;

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++) {
		int has = kvm_call(kvm_fd, KVM_CHECK_EXTENSION, (uintptr_t)needed[i].cap);

		if (has > 0 && (has & needed[i].mask))
			continue;
		used += (size_t)snprintf(missing + used, sizeof(missing) - used, " %s",
					 needed[i].name);
	}
	if (!used)
		return 0;
	return error_set(err, EXIT_HOST,
			 "this KVM lacks%s: a newer kernel (5.16 or later) is needed", missing);
}

static int check_version(int kvm_fd, struct error *err)
{
	int version = kvm_call(kvm_fd, KVM_GET_API_VERSION, 0);

	if (version < 0)
		return error_set_errno(err, EXIT_HOST, errno,
				       KVM_PATH " is no KVM: remove it, then load the KVM module "
						"of this CPU (modprobe kvm_intel or kvm_amd)");
	if (version == KVM_API_VERSION)
		return 0;
	return error_set(err, EXIT_HOST,
			 KVM_PATH " speaks version %d of the KVM API; minivmm needs %d", version,
			 KVM_API_VERSION);
}

static int ask(struct kvm *kvm, struct error *err)
{
	int bytes = kvm_ioctl(err, kvm->fd, KVM_GET_VCPU_MMAP_SIZE, 0);

	if (bytes < 0)
		return -1;
	kvm->run_bytes = (size_t)bytes;
	kvm->supported.head = (struct kvm_cpuid2){ .nent = KVM_MAX_CPUID_LEAVES };
	return kvm_ioctl(err, kvm->fd, KVM_GET_SUPPORTED_CPUID, &kvm->supported);
}

int host_open_kvm(struct kvm *kvm, struct error *err)
{
	kvm->needs_wp_clear = false;
	kvm->fd = open(KVM_PATH, O_RDWR | O_CLOEXEC);
	if (kvm->fd < 0)
		return open_error(err);
	if (check_version(kvm->fd, err) || check_caps(kvm->fd, err) || ask(kvm, err)) {
		host_close_kvm(kvm);
		return -1;
	}
	return 0;
}

void host_close_kvm(struct kvm *kvm)
{
	if (kvm->fd >= 0)
		close(kvm->fd);
	kvm->fd = -1;
}
