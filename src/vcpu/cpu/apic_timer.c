/* SPDX-License-Identifier: MIT */
/* When the guest's APIC timer expires, where nobody else looks while the vCPU is halted. */
#include "vcpu/cpu/apic_timer.h"

#include <cpuid.h>
#include <string.h>

#include "minivmm/x86.h"
#include "vcpu/cpu/call.h"
#include "vcpu/cpu/vcpu.h"

bool apic_timer_is_vmx(void)
{
	uint32_t eax, ebx, ecx, edx;

	return __get_cpuid(1, &eax, &ebx, &ecx, &edx) && (ecx & CPUID_1_ECX_VMX);
}

static uint32_t read_register(const struct kvm_lapic_state *apic, unsigned offset)
{
	uint32_t value;

	memcpy(&value, &apic->regs[offset], sizeof(value));
	return value;
}

/* Bits 0, 1 and 3 say by which power of two: 0 is 2, 6 is 128, and 7 is 1. */
static unsigned divide_shift(uint32_t divide)
{
	return (((divide & 3) | (divide >> 1 & 4)) + 1) & 7;
}

/* KVM counts in ns: APIC_BUS_CYCLE_NS, arch/x86/kvm/lapic.h. */
static uint64_t count_ns(const struct kvm_lapic_state *apic)
{
	uint64_t count = read_register(apic, XAPIC_TIMER_CURRENT);

	return count ? count << divide_shift(read_register(apic, XAPIC_TIMER_DIVIDE))
		     : APIC_TIMER_NEVER;
}

static uint64_t deadline_ns(struct vcpu *v)
{
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry tsc, deadline;
	} msrs = {
		.head.nmsrs = 2,
		.tsc.index = MSR_TSC,
		.deadline.index = MSR_TSC_DEADLINE,
	};
	int khz = vcpu_tsc_khz(v);

	if (vcpu_ioctl(v, KVM_GET_MSRS, &msrs) != 2 || msrs.deadline.data <= msrs.tsc.data ||
	    khz <= 0)
		return APIC_TIMER_NEVER;
	return (uint64_t)((__uint128_t)(msrs.deadline.data - msrs.tsc.data) * 1000000 /
			  (unsigned)khz);
}

static uint64_t timer_ns(struct vcpu *v, const struct kvm_lapic_state *apic)
{
	uint32_t lvt = read_register(apic, XAPIC_LVT_TIMER);

	if (lvt & LVT_MASKED)
		return APIC_TIMER_NEVER;
	return lvt & LVT_TIMER_DEADLINE ? deadline_ns(v) : count_ns(apic);
}

uint64_t apic_timer_ns(struct vcpu *v)
{
	struct kvm_lapic_state apic;

	if (!v->timer_is_vmx || !v->run->if_flag || vcpu_ioctl(v, KVM_GET_LAPIC, &apic) < 0)
		return APIC_TIMER_NEVER;
	return timer_ns(v, &apic);
}
