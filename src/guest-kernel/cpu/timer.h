/* SPDX-License-Identifier: MIT */
/* A timer of each vCPU that interrupts it again and again, to end a halt. */
#ifndef GUEST_TIMER_H
#define GUEST_TIMER_H

#include <stdint.h>

/* Starts this vCPU's timer, which never stops; 1 us to 4 s. */
void timer_start(uint64_t period_us);

#endif
