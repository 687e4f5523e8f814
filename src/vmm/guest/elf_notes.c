/* SPDX-License-Identifier: MIT */
/* What the notes of an ELF file say about how the guest is to be started. */
#include "vmm/guest/elf_notes.h"

#include <elf.h>
#include <string.h>

#include "minivmm/abi.h"
#include "minivmm/pvh.h"

struct note {
	uint32_t type;
	const uint8_t *name;
	size_t name_bytes;
	const uint8_t *contents;
	size_t nr_bytes;
};

static bool is_named(const struct note *note, const char *name)
{
	return note->name_bytes == strlen(name) + 1 &&
	       memcmp(note->name, name, note->name_bytes) == 0;
}

/* Linkers write the address as 4 bytes or as 8, little-endian. */
static const char *take_pvh(const struct note *note, struct elf_notes *notes)
{
	uint64_t entry_gpa = 0;

	if (note->nr_bytes != 4 && note->nr_bytes != 8)
		return "has a PVH note that holds no address of 4 or 8 bytes";
	memcpy(&entry_gpa, note->contents, note->nr_bytes);
	notes->has_pvh = true;
	notes->pvh_entry_gpa = entry_gpa;
	return NULL;
}

static const char *take(const struct note *note, struct elf_notes *notes)
{
	if (is_named(note, "Xen") && note->type == PVH_NOTE_ENTRY)
		return take_pvh(note, notes);
	if (is_named(note, MV_NOTE_NAME)) {
		notes->has_abi = true;
		notes->abi_version = note->type;
	}
	return NULL;
}

/* Sums of 32-bit sizes, which cannot overflow. */
static size_t round_up(size_t bytes, uint64_t align)
{
	size_t unit = align == 8 ? 8 : 4;

	return (bytes + unit - 1) / unit * unit;
}

/* Less than a header at the end is padding. */
const char *elf_notes_read(const uint8_t *bytes, size_t nr_bytes, uint64_t align,
			   struct elf_notes *notes)
{
	const char *why = NULL;
	size_t at = 0;

	while (!why && at < nr_bytes && nr_bytes - at >= sizeof(Elf64_Nhdr)) {
		Elf64_Nhdr header;

		memcpy(&header, bytes + at, sizeof(header));
		size_t name = at + sizeof(header);
		size_t contents = round_up(name + header.n_namesz, align);
		size_t end = contents + header.n_descsz;
		if (contents > nr_bytes || end > nr_bytes)
			return "has a damaged note: it is longer than its segment";
		struct note note = { header.n_type, bytes + name, header.n_namesz, bytes + contents,
				     header.n_descsz };
		why = take(&note, notes);
		at = round_up(end, align);
	}
	return why;
}
