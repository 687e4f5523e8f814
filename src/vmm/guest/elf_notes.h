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
	bool has_linux; /* one that Linux writes about itself */
	uint64_t pvh_entry_gpa;
};

/* A PT_NOTE segment that lies within the file. */
struct elf_note_segment {
	const uint8_t *bytes;
	size_t nr_bytes;
	uint64_t file_offset;
	uint64_t align;
};

/*
 * Adds what the notes of a segment say; of two that contradict each other the later
 * counts. Notes of others are passed over, but none is missed: where the notes cannot
 * be told apart they are refused. Returns NULL, or what is wrong.
 */
const char *elf_notes_read(const struct elf_note_segment *segment, struct elf_notes *notes);

#endif
