/* SPDX-License-Identifier: MIT */
/* The serial port and the port that ends the run: how a PVH guest reports. */
#ifndef GUEST_PVH_SERIAL_H
#define GUEST_PVH_SERIAL_H

#include <stdint.h>

void serial_puts(const char *text);

/* Ends the run with one of MV_EXIT_*, where there is a port for it, and waits for ever. */
_Noreturn void serial_end(uint32_t code);

/* Says why the guest cannot run here, and ends the run. */
_Noreturn void serial_refuse(const char *reason);

#endif
