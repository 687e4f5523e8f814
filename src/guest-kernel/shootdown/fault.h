/* SPDX-License-Identifier: MIT */
/* The guest's half of the protocol, sound or with a fault that the user asked for. */
#ifndef GUEST_FAULT_H
#define GUEST_FAULT_H

#include "guest-kernel/cpu/traps.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/shootdown.h"
#include "minivmm/pv_flush.h"

/* The steps that a fault can replace. Chosen once at start: none of them tests for it. */
struct protocol {
	enum pv_defer (*try_defer)(uint8_t *preempted);
	vector_entry *answer_ipi;
	void (*flush_self)(const struct percpu *self, const struct range *unmap);
	void (*catch_up)(void);				  /* lazy: the flush that was left out */
	bool (*is_reading)(uint64_t sections);		  /* whether a grace period waits */
	void (*linger)(const struct kvm_steal_time *own); /* inside a section */
	const struct scenario *scenario;		  /* to run where the user names none */
};

extern struct protocol protocol;

/* Chooses the steps. The faults of the host, and "none", leave the guest sound. */
void fault_select(const char *name);

#endif
