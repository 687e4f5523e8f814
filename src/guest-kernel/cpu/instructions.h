/* SPDX-License-Identifier: MIT */
/*
 * Every instruction that C cannot express, one small function each. All run in ring 3.
 *
 * The unit tests run the guest's C in a process, where these would do harm or nothing: they put
 * a header of the same name in this one's place.
 */
#ifndef GUEST_INSTRUCTIONS_H
#define GUEST_INSTRUCTIONS_H

#include <stdint.h>

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

/* A word of ordinary memory, through this vCPU's translation of its address, by one load. */
static inline uint64_t read_mapped64(uint64_t gva)
{
	return __atomic_load_n((const uint64_t *)gva, __ATOMIC_ACQUIRE);
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

#endif
