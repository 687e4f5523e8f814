/* SPDX-License-Identifier: MIT */
/* How fast the TSC is and what an exit costs, measured, since no VMM tells. */
#ifndef GUEST_PVH_TIMING_H
#define GUEST_PVH_TIMING_H

#include <stdint.h>

/* Finds the TSC's rate, for pvh_boot and for clock.h. Takes 10 ms. */
void timing_calibrate(void);

/* Waits for so long. After timing_calibrate(). */
void timing_wait_ns(uint64_t ns);

/* Prints the number of CPUs, and the median time of an exit to the VMM's own process. */
void timing_print_exit_cost(void);

#endif
