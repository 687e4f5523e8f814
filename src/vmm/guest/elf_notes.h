/* SPDX-License-Identifier: MIT */
/* What the notes of an ELF file say about how the guest is to be started. */
#ifndef VMM_ELF_NOTES_H
#define VMM_ELF_NOTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct elf_notes {
	bool has_abi; /* MV_GUEST_NOTE */
	uint32_t abi_version;
	bool has_pvh;
	uint64_t pvh_entry_gpa;
};

/*
 * Adds what the notes in [bytes, bytes + nr_bytes) say, the contents of one PT_NOTE
 * segment with this alignment; of two that contradict each other the later counts.
 * Notes of others are passed over. Returns NULL, or what is wrong.
 */
const char *elf_notes_read(const uint8_t *bytes, size_t nr_bytes, uint64_t align,
			   struct elf_notes *notes);

#endif
