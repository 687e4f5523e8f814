/* SPDX-License-Identifier: MIT */
/* The serial port, and the end of the run. */
#include "guest-kernel/pvh/serial.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/cpu/x86.h"
#include "minivmm/abi.h"

#define PORT_SERIAL	0x3f8
#define PORT_DEBUG_EXIT 0x0f4 /* QEMU: -device isa-debug-exit,iobase=0xf4 */

void serial_puts(const char *text)
{
	while (*text)
		out8(PORT_SERIAL, (uint8_t)*text++);
}

_Noreturn void serial_end(uint32_t code)
{
	out8(PORT_DEBUG_EXIT, (uint8_t)code);
	for (;;)
		cpu_relax();
}

_Noreturn void serial_refuse(const char *reason)
{
	struct line line = { 0 };

	line_add(&line, "guest: ");
	line_add(&line, reason);
	line_exit(&line, MV_EXIT_BAD_ARGS);
}
