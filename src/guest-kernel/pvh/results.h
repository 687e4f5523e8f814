/* SPDX-License-Identifier: MIT */
/* Results, where nobody reads the result block: printed. */
#ifndef GUEST_PVH_RESULTS_H
#define GUEST_PVH_RESULTS_H

#include <stdint.h>

/* Prints a line for each mechanism, and PASS or FAIL; returns MV_EXIT_OK or MV_EXIT_FAILED. */
uint32_t results_print(void);

#endif
