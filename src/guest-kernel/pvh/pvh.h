/* SPDX-License-Identifier: MIT */
/* The machine that any VMM provides that starts PVH guests, such as QEMU's microvm. */
#ifndef GUEST_PVH_H
#define GUEST_PVH_H

#include "minivmm/abi.h"

/*
 * Starts the other CPUs, chooses this platform and makes up boot information: parameters
 * come from the command line, results go to the serial port as text. By the CPU that the
 * VMM started, in ring 3; the others follow as if minivmm had started them.
 */
const struct mv_boot_info *pvh_start(void);

#endif
