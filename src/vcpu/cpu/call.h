/* SPDX-License-Identifier: MIT */
/* The one way to call KVM for a vCPU while its guest runs: what is refused ends the run. */
#ifndef VCPU_CALL_H
#define VCPU_CALL_H

#include <stdint.h>

struct vcpu;

/*
 * Calls ioctl(fd of v, request, arg), by v's own thread. Returns its result, 0 or more, or
 * -1. Then v is not entered again: its next vcpu_run() or vcpu_wait_halted() is an exit of
 * kind VCPU_EXIT_ERROR that names the request.
 */
#define vcpu_ioctl(v, request, arg) vcpu_ioctl_named(v, request, #request, (uintptr_t)(arg))

int vcpu_ioctl_named(struct vcpu *v, unsigned long request, const char *name, uintptr_t arg);

/* The same for a call that was made in another way; `errnum` is its errno. */
void vcpu_refuse(struct vcpu *v, const char *request, int errnum);

#endif
