/* SPDX-License-Identifier: MIT */
/* MSR_KVM_STEAL_TIME, by which a guest names its steal-time page: caught, and used by us. */
#include "vcpu/protocol/steal_msr.h"

#include <asm/kvm_para.h>
#include <errno.h>
#include <inttypes.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "vcpu/base/kvm_ioctl.h"
#include "vcpu/cpu/call.h"
#include "vcpu/cpu/vcpu.h"

int steal_msr_catch(int vm_fd, struct error *err)
{
	struct kvm_enable_cap to_userspace = {
		.cap = KVM_CAP_X86_USER_SPACE_MSR,
		.args = { KVM_MSR_EXIT_REASON_FILTER },
	};
	uint8_t denied[1] = { 0 }; /* a bit per MSR from base on: 0 is denied */
	struct kvm_msr_filter filter = {
		.flags = KVM_MSR_FILTER_DEFAULT_ALLOW,
		.ranges[0] = {
			.flags = KVM_MSR_FILTER_READ | KVM_MSR_FILTER_WRITE,
			.nmsrs = 1,
			.base = MSR_KVM_STEAL_TIME,
			.bitmap = denied,
		},
	};

	if (kvm_ioctl(err, vm_fd, KVM_ENABLE_CAP, &to_userspace) < 0)
		return -1;
	return kvm_ioctl(err, vm_fd, KVM_X86_SET_MSR_FILTER, &filter);
}

int steal_msr_write(struct steal *s, const struct guest_mem *mem, uint64_t value)
{
	struct kvm_steal_time *page = NULL;

	if (value & KVM_STEAL_RESERVED_MASK)
		return -EINVAL;
	if (value & KVM_MSR_ENABLED) {
		/* Aligned to its size: the bits below are reserved. */
		page = guest_mem_at(mem, value & KVM_STEAL_VALID_BITS, sizeof(*page), 1);
		if (!page)
			return -EINVAL;
	}
	s->msr = value;
	s->page = page;
	return 0;
}

int steal_msr_serve(struct vcpu *v, const struct guest_mem *mem, const struct vcpu_exit *e,
		    struct error *err)
{
	if (!e->is_write) {
		memcpy(e->data, &v->steal.msr, sizeof(v->steal.msr));
		return 0;
	}
	if (steal_msr_write(&v->steal, mem, e->value))
		return error_set(err, EXIT_FAIL,
				 "MSR_KVM_STEAL_TIME = 0x%" PRIx64
				 ": not a 64-byte aligned address in memory",
				 e->value);
	if (v->kernel_has_steal) {
		v->steal.page = NULL;
		steal_msr_give_kernel_again(v, e->value);
	}
	return 0;
}

/* KVM returns how many MSRs it has set. */
static int set_kernel_msr(struct vcpu *v, uint64_t value)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msrs = {
		.head.nmsrs = 1,
		.entry = { .index = MSR_KVM_STEAL_TIME, .data = value },
	};
	int nr_set = ioctl(v->fd, KVM_SET_MSRS, &msrs);

	if (nr_set == 0)
		errno = EINVAL;
	return nr_set == 1 ? 0 : -1;
}

int steal_msr_give_kernel(struct vcpu *v, uint64_t value, struct error *err)
{
	if (set_kernel_msr(v, value))
		return error_set_errno(err, EXIT_HOST, errno,
				       "KVM has no steal time (MSR_KVM_STEAL_TIME)");
	return 0;
}

void steal_msr_give_kernel_again(struct vcpu *v, uint64_t value)
{
	if (set_kernel_msr(v, value))
		vcpu_refuse(v, "KVM_SET_MSRS of MSR_KVM_STEAL_TIME", errno);
}

void steal_msr_let_kernel_keep(struct vcpu *v, const struct guest_mem *mem, bool yes)
{
	struct error err;

	if (yes == v->kernel_has_steal)
		return;
	v->kernel_has_steal = yes;
	steal_msr_give_kernel_again(v, yes ? v->steal.msr : 0);
	if (yes) {
		v->steal.page = NULL;
		return;
	}
	steal_msr_write(&v->steal, mem, v->steal.msr); /* it was accepted before */
	if (v->flush->prepare(v, mem, v->flush_pages_gpa, &err))
		vcpu_refuse(v, "steal time, which it had", EINVAL);
}
