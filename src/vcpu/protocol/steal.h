/* SPDX-License-Identifier: MIT */
/* The host's half of a steal-time page: marks, deferred flushes, steal time. */
#ifndef VCPU_STEAL_H
#define VCPU_STEAL_H

#include <asm/kvm_para.h>
#include <stdint.h>

struct vcpu;

/*
 * The steps of which host_protocol is made, and the faults in fault.c: v has a steal-time page.
 * steal_take() returns the byte as it was, and steal_flush_if_asked() does what it asks for.
 */
void steal_mark(struct vcpu *v);
uint8_t steal_take(struct vcpu *v);
void steal_flush_if_asked(struct vcpu *v, uint8_t byte);

/* The vCPU loses its pCPU while it could run: mark it preempted. */
void steal_leave(struct vcpu *v);

/* The vCPU has a pCPU again after waiting for `waited_ns`: take the byte, flush if
 * asked to, account for the time. */
void steal_enter(struct vcpu *v, uint64_t waited_ns);

#endif
