/* SPDX-License-Identifier: MIT */
/* KVM's steal-time interface, seen from the guest. */
#ifndef GUEST_STEAL_H
#define GUEST_STEAL_H

#include <stdint.h>

#include "percpu.h"

/* Gives the host this vCPU's steal-time page, if the host has use for it. */
void steal_register(struct percpu *self);

/* NULL if flushes may be deferred on this machine, else why not. */
const char *steal_why_no_pv_flush(uint32_t nr_vcpus);

#endif
