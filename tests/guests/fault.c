/* SPDX-License-Identifier: MIT */
/* A guest that does what no CPU can go on from. */
#include "guest.h"

#define NOWHERE_GPA  0xfd100000ull /* mapped beside the doorbell, nothing behind it */
#define UNMAPPED_GVA 0x4000000000ull

/* An exception, without an IDT that could take it. */
static void triple_fault(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	asm volatile("ud2");
}

static void triple_fault_in_ring3(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	enter_ring3();
	asm volatile("ud2");
}

static void unmapped(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	*(volatile uint64_t *)UNMAPPED_GVA = 1;
}

static void store_nowhere(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	*(volatile uint64_t *)NOWHERE_GPA = 1;
}

static void load_nowhere(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	(void)*(volatile uint64_t *)NOWHERE_GPA;
}

static void jump_nowhere(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	asm volatile("jmp *%0" ::"r"(NOWHERE_GPA));
}

static void out_unknown_port(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	asm volatile("outb %b0, %w1" ::"a"(1), "d"(0x1234));
}

static void in_unknown_port(const struct mv_boot_info *boot, uint32_t vcpu)
{
	uint32_t value;

	(void)boot, (void)vcpu;
	asm volatile("inl %w1, %0" : "=a"(value) : "d"(0x1234));
}

static const struct guest_case cases[] = {
	{ "triple-fault", triple_fault },
	{ "triple-fault-in-ring3", triple_fault_in_ring3 },
	{ "unmapped", unmapped },
	{ "store-nowhere", store_nowhere },
	{ "load-nowhere", load_nowhere },
	{ "jump-nowhere", jump_nowhere },
	{ "out-unknown-port", out_unknown_port },
	{ "in-unknown-port", in_unknown_port },
};
GUEST_CASES(cases)
