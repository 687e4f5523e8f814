/* SPDX-License-Identifier: MIT */
/* When the guest's APIC timer expires, where nobody else looks while the vCPU is halted. */
#ifndef VCPU_APIC_TIMER_H
#define VCPU_APIC_TIMER_H

#include <stdbool.h>
#include <stdint.h>

struct vcpu;

#define APIC_TIMER_NEVER UINT64_MAX

/*
 * Whether the CPU has VMX. There KVM leaves the timer to the CPU, which counts only while the
 * guest executes (the preemption timer), and puts a timer of its own in its place only for a
 * vCPU in the state HALTED: not in that of vcpu_wait_halted().
 */
bool apic_timer_is_vmx(void);

/* In how many nanoseconds the timer of v, which takes interrupts, will expire; or
 * APIC_TIMER_NEVER. By v's own thread. */
uint64_t apic_timer_ns(struct vcpu *v);

#endif
