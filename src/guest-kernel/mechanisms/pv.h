/* SPDX-License-Identifier: MIT */
/* The paravirtual shootdown, for the mechanisms that are variants of pv. */
#ifndef GUEST_MECHANISM_PV_H
#define GUEST_MECHANISM_PV_H

#include "guest-kernel/base/targets.h"
#include "guest-kernel/cpu/percpu.h"

/* Asks each target once, and takes those that will flush by themselves out of the set. */
void pv_defer_preempted(struct percpu *self, struct targets *targets);

#endif
