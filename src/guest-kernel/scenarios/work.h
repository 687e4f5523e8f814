/* SPDX-License-Identifier: MIT */
/* Work: a fixed amount of computing, so that whatever disturbs it takes time away from it. */
#ifndef GUEST_WORK_H
#define GUEST_WORK_H

#include <stdint.h>

/* Finds out how fast this machine is. A fraction of a millisecond. */
void work_calibrate(void);

/* Computes what takes so long on an undisturbed vCPU. */
void work_for_us(uint64_t us);

#endif
