/* SPDX-License-Identifier: MIT */
/*
 * In place of the guest's header of this name: what the instructions of a vCPU do in a unit
 * test, where no ring 0, no APIC and no guest page tables are. See guest_cpu.h.
 */
#ifndef GUEST_INSTRUCTIONS_H
#define GUEST_INSTRUCTIONS_H

#include <stdint.h>

struct cpuid {
	uint32_t eax, ebx, ecx, edx;
};

uint64_t rdtsc(void);
void cpu_relax(void);
struct cpuid cpuid(uint32_t leaf);
void mmio_write32(uint64_t gpa, uint32_t value);
void mmio_write64(uint64_t gpa, uint64_t value);
uint32_t mmio_read32(uint64_t gpa);
uint64_t read_mapped64(uint64_t gva);
void flush_page(uint64_t gva);
void kernel_call(uint64_t call, uint64_t rdi, uint64_t rsi);

#endif
