/* SPDX-License-Identifier: MIT */
/*
 * ACPI tables of a machine without firmware: its CPUs, its I/O APIC, its serial port, and
 * how it is turned off and restarted. Pure.
 *
 * Layouts are those of the ACPI specification 6.4, chapter 5. The platform is
 * "hardware-reduced": there is no PIC, no PIT, no power-management block to drive.
 */
#ifndef VMM_ACPI_H
#define VMM_ACPI_H

#include <stddef.h>
#include <stdint.h>

/* Where they lie: in the part of the first MiB where a PC has its BIOS. One page. */
#define ACPI_GPA   0xe0000u
#define ACPI_BYTES 4096u

/* The ports of the hardware-reduced machine, 8 bits each. */
#define ACPI_PORT_SLEEP_CONTROL 0x600
#define ACPI_PORT_SLEEP_STATUS	0x601
#define ACPI_PORT_RESET		0x602
#define ACPI_SLEEP_OFF		0x34 /* written there: SLP_EN, and the type of \_S5 */
#define ACPI_RESET_VALUE	0x01

#define ACPI_SERIAL_PORT 0x3f8
#define ACPI_SERIAL_PIN	 4 /* of the I/O APIC */

/*
 * Writes the tables of nr_vcpus CPUs (1 to 255, APIC ids from 0 on) into `page`, which is
 * ACPI_BYTES large, zero, and at ACPI_GPA of the guest. The RSDP is at its beginning.
 */
void acpi_write_tables(uint8_t *page, unsigned nr_vcpus);

#endif
