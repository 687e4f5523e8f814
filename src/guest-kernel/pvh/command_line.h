/* SPDX-License-Identifier: MIT */
/* The command line, which says what minivmm's options say elsewhere. */
#ifndef GUEST_PVH_COMMAND_LINE_H
#define GUEST_PVH_COMMAND_LINE_H

#include <stdint.h>

/*
 * shootdown= and duration_ms= are minivmm's options elsewhere; the rest is the scenario's. Leaves
 * mechanisms and arguments in pvh_boot and returns the duration in milliseconds, or ends the run
 * with one line.
 */
uint64_t command_line_parse(const char *command_line);

#endif
