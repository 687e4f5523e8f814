/* SPDX-License-Identifier: MIT */
/* One virtual CPU: how it is set up, and what the guest learns about it. */
#define _GNU_SOURCE
#include "vcpu/cpu/vcpu.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "minivmm/x86.h"
#include "vcpu/base/kvm_ioctl.h"
#include "vcpu/cpu/apic_timer.h"

#define CPUID_1_EBX_APIC_ID 24
#define KERNEL_SIGSET_BYTES 8 /* of the kernel's sigset_t, which KVM_SET_SIGNAL_MASK takes */

/*
 * What the guest learns about its CPU: whatever KVM supports, its APIC id, and
 * KVM's paravirtual features cut down to the two that minivmm provides itself.
 * PCID is hidden because a flush that is asked for names no address space, and
 * MWAIT because a CPU that waits in it may be woken without its flush (Linux 40cd58dbf121).
 */
static void adjust_cpuid(struct kvm_cpuid_entry2 *e, unsigned apic_id)
{
	switch (e->function) {
	case 1:
		e->ebx = (e->ebx & 0x00ffffff) | apic_id << CPUID_1_EBX_APIC_ID;
		e->ecx &= ~(CPUID_1_ECX_MWAIT | CPUID_1_ECX_PCID);
		break;
	case 0xb:
	case 0x1f:
		e->edx = apic_id;
		break;
	case KVM_CPUID_FEATURES:
		e->eax = 1u << KVM_FEATURE_STEAL_TIME | 1u << KVM_FEATURE_PV_TLB_FLUSH;
		e->edx = 0;
		break;
	}
}

static int set_cpuid(struct vcpu *v, const struct kvm_cpuid_table *supported, struct error *err)
{
	struct kvm_cpuid_table cpuid = *supported;

	for (unsigned i = 0; i < cpuid.head.nent; i++)
		adjust_cpuid(&cpuid.leaf[i], vcpu_apic_id(v->index));
	return kvm_ioctl(err, v->fd, KVM_SET_CPUID2, &cpuid);
}

/* The kick signal is open inside KVM_RUN and nowhere else. */
static int set_signal_mask(struct vcpu *v, struct error *err)
{
	_Alignas(struct kvm_signal_mask)
		uint8_t buffer[sizeof(struct kvm_signal_mask) + KERNEL_SIGSET_BYTES];
	struct kvm_signal_mask *mask = (struct kvm_signal_mask *)buffer;
	sigset_t set;

	sigfillset(&set);
	sigdelset(&set, VCPU_KICK_SIGNAL);
	mask->len = KERNEL_SIGSET_BYTES;
	memcpy(mask->sigset, &set, KERNEL_SIGSET_BYTES);
	return kvm_ioctl(err, v->fd, KVM_SET_SIGNAL_MASK, mask);
}

/* Guest and host read the same TSC, so that their times can be compared. */
static int share_tsc(struct vcpu *v, struct error *err)
{
	struct kvm_device_attr attr = {
		.group = KVM_VCPU_TSC_CTRL,
		.attr = KVM_VCPU_TSC_OFFSET,
		.addr = (uintptr_t) & (uint64_t){ 0 },
	};

	return kvm_ioctl(err, v->fd, KVM_SET_DEVICE_ATTR, &attr);
}

static int set_mp_state(struct vcpu *v, uint32_t mp_state, struct error *err)
{
	struct kvm_mp_state state = { .mp_state = mp_state };

	return kvm_ioctl(err, v->fd, KVM_SET_MP_STATE, &state);
}

static int map_run(struct vcpu *v, size_t bytes, struct error *err)
{
	v->run = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, v->fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return error_set_errno(err, EXIT_HOST, errno, "cannot map vCPU %u of VM %u",
				       v->index, v->vm);
	}
	v->run_bytes = bytes;
	return 0;
}

int vcpu_init(struct vcpu *v, const struct kvm *kvm, int vm_fd, unsigned vm, unsigned index,
	      struct error *err)
{
	*v = (struct vcpu){ .vm = vm, .index = index, .timer_is_vmx = apic_timer_is_vmx() };
	v->fd = kvm_ioctl(err, vm_fd, KVM_CREATE_VCPU, vcpu_apic_id(index));
	if (v->fd < 0)
		return -1;
	if (map_run(v, kvm->run_bytes, err) || set_cpuid(v, &kvm->supported, err) ||
	    set_signal_mask(v, err) || share_tsc(v, err) ||
	    set_mp_state(v, KVM_MP_STATE_RUNNABLE, err)) {
		vcpu_finish(v);
		return -1;
	}
	return 0;
}

int vcpu_hide_features(struct vcpu *v, uint32_t features, struct error *err)
{
	struct kvm_cpuid_table cpuid = { .head.nent = KVM_MAX_CPUID_LEAVES };

	if (kvm_ioctl(err, v->fd, KVM_GET_CPUID2, &cpuid) < 0)
		return -1;
	for (unsigned i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.leaf[i].function == KVM_CPUID_FEATURES)
			cpuid.leaf[i].eax &= ~features;
	}
	return kvm_ioctl(err, v->fd, KVM_SET_CPUID2, &cpuid);
}

int vcpu_get_cpuid(const struct vcpu *v, struct kvm_cpuid_table *ret_cpuid, struct error *err)
{
	ret_cpuid->head = (struct kvm_cpuid2){ .nent = KVM_MAX_CPUID_LEAVES };
	return kvm_ioctl(err, v->fd, KVM_GET_CPUID2, ret_cpuid);
}

int vcpu_set_cpuid(struct vcpu *v, struct kvm_cpuid_table *cpuid, struct error *err)
{
	return kvm_ioctl(err, v->fd, KVM_SET_CPUID2, cpuid);
}

void vcpu_finish(struct vcpu *v)
{
	if (v->run)
		munmap(v->run, v->run_bytes);
	if (v->fd >= 0)
		close(v->fd);
	trace_ring_destroy(v->trace);
	v->trace = NULL;
	v->run = NULL;
	v->fd = -1;
}

int vcpu_hold(struct vcpu *v, struct error *err)
{
	return set_mp_state(v, KVM_MP_STATE_UNINITIALIZED, err);
}

int vcpu_tsc_khz(const struct vcpu *v)
{
	return ioctl(v->fd, KVM_GET_TSC_KHZ, 0);
}

uint64_t vcpu_rip(struct vcpu *v)
{
	struct kvm_regs regs;

	return ioctl(v->fd, KVM_GET_REGS, &regs) == 0 ? regs.rip : 0;
}

/* kvm_amd resets a vCPU before it tells of a triple fault (its shutdown_interception): the VMCB
 * is undefined then. */
bool vcpu_is_at_reset(const struct vcpu *v)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	return ioctl(v->fd, KVM_GET_REGS, &regs) == 0 && ioctl(v->fd, KVM_GET_SREGS, &sregs) == 0 &&
	       regs.rip == RESET_RIP && sregs.cs.base == RESET_CS_BASE && !(sregs.cr0 & CR0_PE);
}
