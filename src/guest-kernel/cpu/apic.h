/* SPDX-License-Identifier: MIT */
/* The registers of the xAPIC that the guest uses, Intel SDM volume 3, table 11-1. */
#ifndef GUEST_APIC_H
#define GUEST_APIC_H

#include <stdint.h>

#include "guest-kernel/cpu/x86.h"
#include "minivmm/abi.h"

enum apic_register {
	APIC_TASK_PRIORITY = 0x080,
	APIC_SPURIOUS = 0x0f0,
	APIC_ICR_LOW = 0x300,
	APIC_ICR_HIGH = 0x310,
	APIC_LVT_TIMER = 0x320,
	APIC_TIMER_INITIAL = 0x380,
	APIC_TIMER_DIVIDE = 0x3e0,
};

#define APIC_ENABLED	   (1u << 8)
#define APIC_BROADCAST_ID  255u
#define ICR_ASSERT	   (1u << 14)
#define ICR_ALL_BUT_SELF   (3u << 18)
#define ICR_DEST_SHIFT	   24
#define LVT_TIMER_PERIODIC (1u << 17)
#define TIMER_DIVIDE_BY_1  0xbu

static inline void apic_write(enum apic_register reg, uint32_t value)
{
	mmio_write32(MV_XAPIC_GPA + reg, value);
}

#endif
