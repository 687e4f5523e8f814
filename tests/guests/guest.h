/* SPDX-License-Identifier: MIT */
/*
 * What the test guests share: the doorbell, a choice of cases, ring 3.
 *
 * Each guest is one file with a table of cases; `-- case=NAME` chooses one. vCPUs
 * start at _start() in ring 0 without an IDT, so that any exception is a triple fault.
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#include <asm/kvm_para.h>
#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"
#include "minivmm/x86.h"

/* What a guest ends with when it finds something else than it should. */
#define EXIT_UNEXPECTED 99

#define COUNT_OF(array) (sizeof(array) / sizeof((array)[0]))

/* ---- the doorbell ------------------------------------------------------------- */

static inline void doorbell_store(uint32_t reg, uint64_t value)
{
	*(volatile uint64_t *)(MV_DOORBELL_GPA + (uint64_t)reg) = value;
}

static inline uint64_t doorbell_load(uint32_t reg)
{
	return *(volatile uint64_t *)(MV_DOORBELL_GPA + (uint64_t)reg);
}

static inline void say(const char *text)
{
	while (*text) {
		uint64_t eight = 0;

		for (unsigned i = 0; i < 8 && *text; i++)
			eight |= (uint64_t)(uint8_t)*text++ << (8 * i);
		doorbell_store(MV_DB_PUTS, eight);
	}
}

static inline _Noreturn void idle(void)
{
	for (;;)
		doorbell_store(MV_DB_IDLE, 0);
}

static inline _Noreturn void end_run(uint64_t code)
{
	doorbell_store(MV_DB_EXIT, code);
	idle();
}

static inline void expect(bool holds, const char *what)
{
	if (holds)
		return;
	say("unexpected: ");
	say(what);
	say("\n");
	end_run(EXIT_UNEXPECTED);
}

/* ---- the CPU -------------------------------------------------------------------- */

static inline void write_msr(uint32_t msr, uint64_t value)
{
	asm volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))
		     : "memory");
}

/* KVM's paravirtual features, as the guest sees them. */
static inline bool has_feature(unsigned bit)
{
	uint32_t eax = KVM_CPUID_FEATURES, ebx, ecx = 0, edx;

	asm volatile("cpuid" : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
	return eax >> bit & 1;
}

static inline uint64_t read_tsc(void)
{
	uint32_t low, high;

	asm volatile("rdtsc" : "=a"(low), "=d"(high));
	return (uint64_t)high << 32 | low;
}

static inline void write_xapic(uint32_t reg, uint32_t value)
{
	*(volatile uint32_t *)(MV_XAPIC_GPA + (uint64_t)reg) = value;
}

static inline uint32_t read_xapic(uint32_t reg)
{
	return *(volatile uint32_t *)(MV_XAPIC_GPA + (uint64_t)reg);
}

/* Sends what `icr_low` says to one vCPU. */
static inline void send_ipi(uint32_t vcpu, uint32_t icr_low)
{
	write_xapic(XAPIC_ICR_HIGH, vcpu << 24);
	write_xapic(XAPIC_ICR_LOW, icr_low);
}

static inline uint64_t read_msr(uint32_t msr)
{
	uint32_t low, high;

	asm volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
	return (uint64_t)high << 32 | low;
}

/* A GDT without a task segment: enough as long as nothing is taken in ring 3. */
static inline void load_gdt(void)
{
	static const uint64_t gdt[] = {
		0,
		0,
		0x00af9b000000ffff, /* 0x10: ring 0, code */
		0x00cf93000000ffff, /* 0x18: ring 0, data */
		0,
		0x00cff3000000ffff, /* 0x28: ring 3, data */
		0x00affb000000ffff, /* 0x30: ring 3, code */
	};
	const struct __attribute__((packed)) {
		uint16_t limit;
		uint64_t base;
	} gdtr = { sizeof(gdt) - 1, (uintptr_t)gdt };

	asm volatile("lgdt %0" ::"m"(gdtr));
}

/* The caller goes on in ring 3, by the selectors of the GDT that is loaded. */
static inline void go_to_ring3_with(uint64_t rflags)
{
	asm volatile("mov %%rsp, %%rax\n\t"
		     "push $0x2b\n\t"
		     "push %%rax\n\t"
		     "push %0\n\t"
		     "push $0x33\n\t"
		     "lea 1f(%%rip), %%rax\n\t"
		     "push %%rax\n\t"
		     "iretq\n"
		     "1:" ::"r"(rflags)
		     : "rax", "memory");
}

static inline void go_to_ring3(void)
{
	go_to_ring3_with(RFLAGS_FIXED | RFLAGS_IF);
}

/* The same with the GDT above. In ring 3 code runs natively on every kind of KVM. */
static inline void enter_ring3(void)
{
	load_gdt();
	go_to_ring3();
}

/* ---- cases ------------------------------------------------------------------------ */

struct guest_case {
	const char *name;
	void (*run)(const struct mv_boot_info *boot, uint32_t vcpu);
};

static inline bool is_case(const struct mv_boot_info *boot, const char *name)
{
	const char *arg = boot->args, *prefix = "case=";

	while (*prefix && *arg == *prefix)
		arg++, prefix++;
	while (*arg && *arg == *name)
		arg++, name++;
	return !*prefix && !*arg && !*name;
}

/* Every vCPU runs the chosen case; the run ends with success when one returns. */
static inline _Noreturn void run_case(const struct mv_boot_info *boot, uint32_t vcpu,
				      const struct guest_case *cases, uint32_t nr_cases)
{
	for (uint32_t i = 0; i < nr_cases; i++) {
		if (is_case(boot, cases[i].name)) {
			cases[i].run(boot, vcpu);
			end_run(MV_EXIT_OK);
		}
	}
	end_run(MV_EXIT_BAD_ARGS);
}

/* Defines the guest's entry point from its table of cases. */
#define GUEST_CASES(cases)                                                     \
	MV_GUEST_NOTE;                                                         \
	_Noreturn void _start(const struct mv_boot_info *boot, uint32_t vcpu); \
	_Noreturn void _start(const struct mv_boot_info *boot, uint32_t vcpu)  \
	{                                                                      \
		run_case(boot, vcpu, cases, COUNT_OF(cases));                  \
	}

#endif
