/* SPDX-License-Identifier: MIT */
/* The guest's instructions under the explorer: what the bed makes of them. */
#ifndef GUEST_INSTRUCTIONS_H
#define GUEST_INSTRUCTIONS_H

#include <stdint.h>

/* See bed.c. */
void bed_mmio_write(uint64_t gpa, uint64_t value, uint32_t bytes);
void bed_flush_page(uint64_t gva);
void bed_kernel_call(uint64_t call);

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

/* Time stands still: nothing that is shared depends on it. */
static inline uint64_t rdtsc(void)
{
	return 0;
}

/* Waiting is noticed by what a loop reads, see accesses.h. */
static inline void cpu_relax(void)
{
}

static inline struct cpuid cpuid(uint32_t leaf)
{
	(void)leaf;
	return (struct cpuid){ 0 };
}

static inline void mmio_write32(uint64_t gpa, uint32_t value)
{
	bed_mmio_write(gpa, value, 4);
}

static inline void mmio_write64(uint64_t gpa, uint64_t value)
{
	bed_mmio_write(gpa, value, 8);
}

static inline uint32_t mmio_read32(uint64_t gpa)
{
	(void)gpa;
	return 0;
}

static inline uint64_t read_mapped64(uint64_t gva)
{
	(void)gva;
	return 0;
}

static inline void flush_page(uint64_t gva)
{
	bed_flush_page(gva);
}

static inline void kernel_call(uint64_t call, uint64_t rdi, uint64_t rsi)
{
	(void)rdi, (void)rsi;
	bed_kernel_call(call);
}

#endif
