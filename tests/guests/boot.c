/* SPDX-License-Identifier: MIT */
/* A guest that looks whether it was started as abi.h says. */
#include "guest.h"

static void cpuid(uint32_t leaf, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx)
{
	asm volatile("cpuid" : "=a"(*eax), "=b"(*ebx), "=c"(*ecx), "=d"(*edx) : "a"(leaf), "c"(0));
}

static void check_cpuid(uint32_t vcpu)
{
	uint32_t a, b, c, d;

	cpuid(1, &a, &b, &c, &d);
	expect(b >> 24 == vcpu, "the APIC id in CPUID leaf 1 is not the vCPU's index");
	expect(!(c & 1 << 3), "MWAIT is exposed: a guest must then not use PV flush");
	expect(!(c & 1 << 17), "PCID is exposed: a flush on request names no address space");
	cpuid(KVM_CPUID_FEATURES, &a, &b, &c, &d);
	expect(a & 1 << KVM_FEATURE_STEAL_TIME, "no STEAL_TIME in CPUID");
	expect(a & 1 << KVM_FEATURE_PV_TLB_FLUSH, "no PV_TLB_FLUSH in CPUID");
	expect(!(d & 1 << KVM_HINTS_REALTIME), "the REALTIME hint is set");
}

static void check_boot_info(const struct mv_boot_info *b)
{
	expect((uintptr_t)b == MV_BOOT_INFO_GPA, "rdi is not MV_BOOT_INFO_GPA");
	expect(b->magic == MV_BOOT_MAGIC, "the magic number is wrong");
	expect(b->abi_version == MV_ABI_VERSION, "another version of the ABI");
	expect(b->free_gpa % 4096 == 0 && b->free_gpa > MV_IMAGE_GPA, "free_gpa is wrong");
	expect(b->free_gpa + b->free_bytes <= b->results_gpa, "free memory is not free");
	expect(b->results_gpa + b->results_bytes <= b->mem_bytes, "no room for results");
	expect(b->results_bytes >= MV_RESULTS_BYTES(b->nr_vcpus, b->nr_mechanisms),
	       "too little room for results");
	expect(b->tsc_hz > 100000000, "the TSC's rate is not known");
	expect(b->ns_per_tick_32 * b->tsc_hz >> 32 > 999000000, "ns_per_tick_32 is wrong");
	expect((b->ns_per_tick_32 * b->tsc_hz >> 32) <= 1000000000, "ns_per_tick_32 is wrong");
}

/*
 * Where the stack of each vCPU was at the same point of the same function: in memory that nobody
 * calls free, and apart from all others. `used` bytes of it are taken at most.
 */
static void check_stack(const struct mv_boot_info *b, uint32_t vcpu, uint64_t *const places)
{
	const uint64_t used = 1024, here = (uint64_t)__builtin_frame_address(0);

	expect(here - (MV_BOOT_STACK_BYTES - used) >= b->free_gpa + b->free_bytes,
	       "the stack reaches into free memory");
	expect(here < b->results_gpa || here >= b->results_gpa + b->results_bytes,
	       "the stack is in the result block");
	expect(here < b->mem_bytes, "the stack is behind all memory");
	__atomic_store_n(&places[vcpu], here, __ATOMIC_SEQ_CST);
	for (uint32_t i = 0; i < b->nr_vcpus; i++) {
		uint64_t other = __atomic_load_n(&places[i], __ATOMIC_SEQ_CST);
		uint64_t apart = other > here ? other - here : here - other;

		expect(i == vcpu || other == 0 || apart >= MV_BOOT_STACK_BYTES,
		       "two vCPUs share a stack");
	}
}

/* All of memory but the VMM's own can be written, from ring 3 too. */
static void check_memory(const struct mv_boot_info *b, uint32_t vcpu)
{
	uint64_t share = b->free_bytes / b->nr_vcpus & ~0xfffull;
	uint64_t from = b->free_gpa + vcpu * share;

	enter_ring3();
	for (uint64_t gpa = from; gpa < from + share; gpa += 4096)
		*(volatile uint64_t *)gpa = gpa;
	for (uint64_t gpa = from; gpa < from + share; gpa += 4096)
		expect(*(volatile uint64_t *)gpa == gpa, "memory does not keep what is stored");
}

static void started(const struct mv_boot_info *boot, uint32_t vcpu)
{
	static uint32_t arrived[MV_MAX_VCPUS], nr_arrived;
	static uint64_t stacks[MV_MAX_VCPUS];

	check_boot_info(boot);
	expect(vcpu < boot->nr_vcpus, "rsi is no index of a vCPU");
	check_cpuid(vcpu);
	check_stack(boot, vcpu, stacks);
	check_memory(boot, vcpu);
	expect(__atomic_exchange_n(&arrived[vcpu], 1, __ATOMIC_SEQ_CST) == 0,
	       "two vCPUs have one index");
	if (__atomic_add_fetch(&nr_arrived, 1, __ATOMIC_SEQ_CST) != boot->nr_vcpus)
		idle();
}

static const struct guest_case cases[] = {
	{ "started", started },
};
GUEST_CASES(cases)
