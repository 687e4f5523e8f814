/* SPDX-License-Identifier: MIT */
/*
 * An I/O APIC, as far as edge-triggered interrupts need one. Pure.
 *
 * The local APICs are in the kernel; an interrupt reaches them as a message (MSI) that
 * is made from the pin's entry. Registers are those of Intel's 82093AA data sheet.
 */
#ifndef VMM_IOAPIC_H
#define VMM_IOAPIC_H

#include <stdbool.h>
#include <stdint.h>

#define IOAPIC_GPA     0xfec00000u
#define IOAPIC_BYTES   0x1000u
#define IOAPIC_NR_PINS 24

struct ioapic {
	uint32_t select;
	uint32_t id;
	uint64_t entry[IOAPIC_NR_PINS];
};

/* What is sent to the local APICs, as struct kvm_msi has it. */
struct ioapic_message {
	uint32_t address;
	uint32_t data;
};

/* After reset: every pin is masked. */
void ioapic_init(struct ioapic *io);

/* The 32-bit register at an offset from IOAPIC_GPA; what is none reads as ones. */
uint32_t ioapic_read(const struct ioapic *io, uint32_t offset);
void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t value);

/* The message of a pin that rises; false if the pin is masked, and the edge lost. */
bool ioapic_message(const struct ioapic *io, unsigned pin, struct ioapic_message *ret_message);

#endif
