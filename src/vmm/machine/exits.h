/* SPDX-License-Identifier: MIT */
/* What a guest asks of the VMM: the doorbell, the steal-time MSR, the serial port. */
#ifndef VMM_DOORBELL_H
#define VMM_DOORBELL_H

#include "vmm/machine/machine.h"

/* Exits that are requests; `context` is a struct vcpu_thread. See struct vcpu_handler. */
enum vcpu_action doorbell_exit(void *context, struct vcpu *v, const struct vcpu_exit *e);
void doorbell_blocked(void *context, struct vcpu *v, const struct vcpu_exit *e);

#endif
