/* SPDX-License-Identifier: MIT */
/*
 * A timer of each vCPU that interrupts it again and again, to end a halt.
 *
 * It is periodic because ring 3 cannot halt and allow interrupts in one step: an interrupt
 * may arrive after the decision to halt and before the halt, and so end nothing. Then the next
 * one ends the halt.
 *
 * KVM's local APIC counts nanoseconds (APIC_BUS_CYCLE_NS in arch/x86/kvm/lapic.h).
 */
#include "guest-kernel/cpu/timer.h"

#include "guest-kernel/cpu/apic.h"

void timer_start(uint64_t period_us)
{
	apic_write(XAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
	apic_write(XAPIC_LVT_TIMER, LVT_TIMER_PERIODIC | VECTOR_TIMER);
	apic_write(XAPIC_TIMER_INITIAL, (uint32_t)(period_us * 1000));
}
