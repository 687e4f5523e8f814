/* SPDX-License-Identifier: MIT */
/* The xAPIC of the vCPU that executes: registers are named in minivmm/x86.h. */
#ifndef GUEST_APIC_H
#define GUEST_APIC_H

#include <stdint.h>

#include "guest-kernel/cpu/x86.h"
#include "minivmm/abi.h"
#include "minivmm/x86.h"

static inline void apic_write(uint32_t reg, uint32_t value)
{
	mmio_write32(MV_XAPIC_GPA + reg, value);
}

static inline uint32_t apic_read(uint32_t reg)
{
	return mmio_read32(MV_XAPIC_GPA + reg);
}

#endif
