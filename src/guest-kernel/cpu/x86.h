/* SPDX-License-Identifier: MIT */
/* Every instruction that C cannot express, one small function each. All run in ring 3. */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include <stdint.h>

#include "guest-kernel/base/layout.h"

/* The time-stamp counter, once all earlier loads and stores have been carried out. */
static inline uint64_t rdtsc(void)
{
	uint32_t low, high;

	asm volatile("lfence; rdtsc" : "=a"(low), "=d"(high) : : "memory");
	return (uint64_t)high << 32 | low;
}

static inline void cpu_relax(void)
{
	asm volatile("pause" : : : "memory");
}

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

static inline struct cpuid cpuid(uint32_t leaf)
{
	struct cpuid r;

	asm volatile("cpuid"
		     : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx)
		     : "a"(leaf), "c"(0));
	return r;
}

/* Device registers: exactly one access, in a form that every emulator decodes. */
static inline void mmio_write32(uint64_t gpa, uint32_t value)
{
	asm volatile("movl %0, (%1)" : : "r"(value), "r"(gpa) : "memory");
}

static inline void mmio_write64(uint64_t gpa, uint64_t value)
{
	asm volatile("movq %0, (%1)" : : "r"(value), "r"(gpa) : "memory");
}

static inline uint32_t mmio_read32(uint64_t gpa)
{
	uint32_t value;

	asm volatile("movl (%1), %0" : "=r"(value) : "r"(gpa) : "memory");
	return value;
}

/*
 * Drops this vCPU's translation of one page. int3 is the cheapest way into ring 0
 * that works on every KVM: some lack syscall, others `int n`, and ud2 is slow on
 * kvm_amd, which emulates it.
 */
static inline void flush_page(uint64_t gva)
{
	asm volatile("int3" : : "D"(gva) : "memory");
}

/* Asks ring 0 for one of KERNEL_CALL_*. */
static inline void kernel_call(uint64_t call, uint64_t rdi, uint64_t rsi)
{
	asm volatile("ud2" : "+a"(call), "+D"(rdi), "+S"(rsi) : : "rcx", "rdx", "memory");
}

/* Drops all translations of this vCPU. */
static inline void flush_all(void)
{
	kernel_call(KERNEL_CALL_FLUSH_ALL, 0, 0);
}

/* Drops this vCPU's translations of consecutive pages, of which there is at least one. */
static inline void flush_range(uint64_t gva, uint64_t nr_pages)
{
	kernel_call(KERNEL_CALL_FLUSH_RANGE, gva, nr_pages);
}

static inline void load_cr3(uint64_t pml4_gpa)
{
	kernel_call(KERNEL_CALL_LOAD_CR3, pml4_gpa, 0);
}

static inline void wrmsr(uint32_t msr, uint64_t value)
{
	kernel_call(KERNEL_CALL_WRMSR, msr, value);
}

/* A byte to an I/O port; ring 3 may not do it on every KVM. */
static inline void out8(uint16_t port, uint8_t value)
{
	kernel_call(KERNEL_CALL_OUT, port, value);
}

#endif
