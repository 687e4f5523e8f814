/* SPDX-License-Identifier: MIT */
/* The steps of a shootdown that a fault can replace, and the choice of them. */
#ifndef GUEST_FAULT_H
#define GUEST_FAULT_H

#include "guest-kernel/cpu/traps.h"
#include "guest-kernel/shootdown/shootdown.h"
#include "minivmm/pv_flush.h"

/* Chosen once at start, so that no step has to ask whether it is faulty. */
struct steps {
	enum pv_defer (*try_defer)(uint8_t *preempted);
	vector_entry *answer_ipi;
	void (*flush_self)(const struct percpu *self, const struct range *unmap);
	void (*catch_up)(void);				  /* lazy: flush when coming back */
	bool (*is_reading)(uint64_t sections);		  /* does a grace period wait for it? */
	void (*linger)(const struct kvm_steal_time *own); /* spend time inside a section */
	const char *scenario;				  /* what is run if the user names none */
};

extern struct steps steps;

/* Replaces steps, once at start. The faults of the host, and "none", leave the guest sound. */
void fault_select(const char *name);

#endif
