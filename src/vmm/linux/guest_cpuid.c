/* SPDX-License-Identifier: MIT */
/* What a Linux guest finds in CPUID beyond what every guest does. */
#include "vmm/linux/guest_cpuid.h"

#include <asm/kvm_para.h>
#include <stdint.h>

#define LEAF_1_ECX_VMX	      (1u << 5)
#define LEAF_1_ECX_X2APIC     (1u << 21)
#define LEAF_1_ECX_DEADLINE   (1u << 24)
#define LEAF_1_ECX_HYPERVISOR (1u << 31)
#define LEAF_1_EDX_HTT	      (1u << 28)
#define AMD_1_ECX_SVM	      (1u << 2)
#define AMD_1_ECX_PERF	      (3u << 23) /* counters of the core and of the north bridge */

#define LEVEL_THREADS 1
#define LEVEL_CORES   2

/*
 * What the kernel does by itself: its clocks, and that port 0x80 needs no delay. Not what
 * would have it schedule: PV_UNHALT (a vCPU that halts with interrupts off and is woken
 * would run without a pCPU), PV_SCHED_YIELD, ASYNC_PF; nor PV_SEND_IPI, so that an IPI is
 * what it is under --shootdown ipi for any other guest.
 */
#define KERNELS_FEATURES                                                  \
	(1u << KVM_FEATURE_CLOCKSOURCE | 1u << KVM_FEATURE_NOP_IO_DELAY | \
	 1u << KVM_FEATURE_CLOCKSOURCE2 | 1u << KVM_FEATURE_CLOCKSOURCE_STABLE_BIT)

/* Bits of an APIC id that number so many CPUs. */
static unsigned id_bits(unsigned nr_vcpus)
{
	unsigned bits = 0;

	while (1u << bits < nr_vcpus)
		bits++;
	return bits;
}

static uint32_t supported_features(const struct kvm_cpuid_table *supported)
{
	for (unsigned i = 0; i < supported->head.nent; i++) {
		if (supported->leaf[i].function == KVM_CPUID_FEATURES)
			return supported->leaf[i].eax;
	}
	return 0;
}

/* Leaf 0xb and 0x1f (SDM, CPUID): one thread a core, all cores in one package. */
static void set_topology(struct kvm_cpuid_entry2 *e, unsigned nr_vcpus)
{
	e->eax = e->ebx = 0;
	e->ecx = e->index;
	if (e->index == 0) {
		e->ebx = 1;
		e->ecx |= LEVEL_THREADS << 8;
	} else if (e->index == 1) {
		e->eax = id_bits(nr_vcpus);
		e->ebx = nr_vcpus;
		e->ecx |= LEVEL_CORES << 8;
	}
}

/* Leaf 4 (SDM): no cache is shared, and so many ids are reserved for cores. */
static void set_cache_sharing(struct kvm_cpuid_entry2 *e, unsigned nr_vcpus)
{
	if (e->eax & 0x1f)
		e->eax = (e->eax & 0x3fff) | ((1u << id_bits(nr_vcpus)) - 1) << 26;
}

static void complete_leaf(struct kvm_cpuid_entry2 *e, uint32_t features, unsigned apic_id,
			  unsigned nr_vcpus, bool has_deadline_timer)
{
	switch (e->function) {
	case 1:
		e->ecx = (e->ecx & ~(LEAF_1_ECX_VMX | LEAF_1_ECX_DEADLINE)) | LEAF_1_ECX_X2APIC |
			 LEAF_1_ECX_HYPERVISOR | (has_deadline_timer ? LEAF_1_ECX_DEADLINE : 0);
		e->ebx = (e->ebx & 0xff00ffff) | 1u << (16 + id_bits(nr_vcpus));
		e->edx = nr_vcpus > 1 ? e->edx | LEAF_1_EDX_HTT : e->edx & ~LEAF_1_EDX_HTT;
		break;
	case 4:
		set_cache_sharing(e, nr_vcpus);
		break;
	case 0xa: /* the PMU */
		e->eax = e->ebx = e->ecx = e->edx = 0;
		break;
	case 0xb:
	case 0x1f:
		set_topology(e, nr_vcpus);
		break;
	case KVM_CPUID_FEATURES:
		e->eax |= features & KERNELS_FEATURES;
		break;
	case 0x80000001:
		e->ecx &= ~(AMD_1_ECX_SVM | AMD_1_ECX_PERF);
		break;
	case 0x80000008: /* AMD's: cores, and bits of the id for them (APM 3, E.4.7) */
		e->ecx = (nr_vcpus - 1) | id_bits(nr_vcpus) << 12;
		break;
	case 0x8000001d: /* AMD's caches (APM 3, E.4.15): none is shared */
		e->eax &= 0x3fff;
		break;
	case 0x8000001e: /* AMD's topology (APM 3, E.4.16) */
		e->eax = apic_id;
		e->ebx = apic_id;
		e->ecx = 0;
		break;
	}
}

void guest_cpuid_complete(struct kvm_cpuid_table *table, const struct kvm_cpuid_table *supported,
			  unsigned apic_id, unsigned nr_vcpus, bool has_deadline_timer)
{
	uint32_t features = supported_features(supported);

	for (unsigned i = 0; i < table->head.nent; i++)
		complete_leaf(&table->leaf[i], features, apic_id, nr_vcpus, has_deadline_timer);
}
