/* SPDX-License-Identifier: MIT */
/* What a guest asks of the VMM: the doorbell, the steal-time MSR, the serial port. */
#ifndef VMM_DOORBELL_H
#define VMM_DOORBELL_H

#include "vmm/machine/machine.h"

/*
 * What struct vcpu_handler wants: handles an exit, and waits in the place of a vCPU that asked for
 * the next phase. `context` is a struct vcpu_thread.
 */
enum vcpu_action exits_handle(void *context, struct vcpu *v, const struct vcpu_exit *e);
void exits_wait_for_phase(void *context, struct vcpu *v, const struct vcpu_exit *e);

#endif
