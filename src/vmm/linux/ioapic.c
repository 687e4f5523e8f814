/* SPDX-License-Identifier: MIT */
/* An I/O APIC, as far as edge-triggered interrupts need one. */
#include "vmm/linux/ioapic.h"

#define OFFSET_SELECT 0x00
#define OFFSET_WINDOW 0x10

#define REGISTER_ID	 0x00
#define REGISTER_VERSION 0x01
#define REGISTER_ENTRIES 0x10
#define VERSION		 (0x11u | (IOAPIC_NR_PINS - 1) << 16)
#define ID_BITS		 0x0f000000u

#define ENTRY_MASKED	 (1ull << 16)
#define ENTRY_READ_ONLY	 (1ull << 12 | 1ull << 14) /* delivery status, remote IRR */
#define ENTRY_LOGICAL	 (1ull << 11)
#define ENTRY_DEST_SHIFT 56

#define MESSAGE_ADDRESS	   0xfee00000u
#define MESSAGE_DEST_SHIFT 12
#define MESSAGE_LOGICAL	   (1u << 2)
#define MESSAGE_DELIVERY   0x7ffu /* vector and delivery mode: an edge has no more */

void ioapic_init(struct ioapic *io)
{
	*io = (struct ioapic){ 0 };
	for (unsigned i = 0; i < IOAPIC_NR_PINS; i++)
		io->entry[i] = ENTRY_MASKED;
}

/* The entry that the selected register is half of, or NULL. */
static const uint64_t *selected_entry(const struct ioapic *io)
{
	uint32_t half = io->select - REGISTER_ENTRIES;

	if (io->select < REGISTER_ENTRIES || half >= 2 * IOAPIC_NR_PINS)
		return (void *)0;
	return &io->entry[half / 2];
}

uint32_t ioapic_read(const struct ioapic *io, uint32_t offset)
{
	const uint64_t *entry = selected_entry(io);

	if (offset == OFFSET_SELECT)
		return io->select;
	if (offset != OFFSET_WINDOW)
		return UINT32_MAX;
	if (entry)
		return (uint32_t)(*entry >> (io->select % 2 ? 32 : 0));
	if (io->select == REGISTER_ID)
		return io->id;
	return io->select == REGISTER_VERSION ? VERSION : UINT32_MAX;
}

static void write_entry(uint64_t *entry, bool upper, uint32_t value)
{
	if (upper)
		*entry = (*entry & UINT32_MAX) | (uint64_t)value << 32;
	else
		*entry = (*entry & ~(uint64_t)UINT32_MAX) | (value & ~ENTRY_READ_ONLY);
}

void ioapic_write(struct ioapic *io, uint32_t offset, uint32_t value)
{
	const uint64_t *entry = selected_entry(io);

	if (offset == OFFSET_SELECT)
		io->select = value & 0xff;
	else if (offset != OFFSET_WINDOW)
		return;
	else if (entry)
		write_entry(&io->entry[entry - io->entry], io->select % 2, value);
	else if (io->select == REGISTER_ID)
		io->id = value & ID_BITS;
}

bool ioapic_message(const struct ioapic *io, unsigned pin, struct ioapic_message *ret_message)
{
	uint64_t entry = io->entry[pin];

	if (entry & ENTRY_MASKED)
		return false;
	ret_message->address = MESSAGE_ADDRESS |
			       (uint32_t)(entry >> ENTRY_DEST_SHIFT) << MESSAGE_DEST_SHIFT |
			       (entry & ENTRY_LOGICAL ? MESSAGE_LOGICAL : 0);
	ret_message->data = (uint32_t)entry & MESSAGE_DELIVERY;
	return true;
}
