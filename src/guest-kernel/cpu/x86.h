/* SPDX-License-Identifier: MIT */
/* What ring 3 asks of its CPU: instructions, and the calls of ring 0 that are made of them. */
#ifndef GUEST_X86_H
#define GUEST_X86_H

#include <stdint.h>

#include "guest-kernel/base/layout.h"
#include "guest-kernel/cpu/instructions.h"

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
