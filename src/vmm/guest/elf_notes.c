/* SPDX-License-Identifier: MIT */
/*
 * What the notes of an ELF file say about how the guest is to be started.
 *
 * A note's name, its contents and the note behind it begin at multiples of 4, or of 8
 * in 64-bit files by the letter of the System V ABI. Practice is 4, but for
 * .note.gnu.property, whose section is aligned to 8. A segment that holds both kinds
 * says 8, and does not tell which note is of which kind. So such a segment is walked
 * both ways, and what the walks that reach its end have seen is believed.
 *
 * libelf's walk (gelf_getnote) is not used: elfutils 0.188 refuses a last note that has no
 * padding behind it, and takes contents of 0xfffffffd bytes or more for none.
 */
#include "vmm/guest/elf_notes.h"

#include <elf.h>
#include <string.h>

#include "minivmm/abi.h"
#include "minivmm/pvh.h"

#define WORD_BYTES 4

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

	notes->has_pvh = true;
	if (note->nr_bytes != 4 && note->nr_bytes != 8)
		return "has a PVH note that holds no address of 4 or 8 bytes";
	memcpy(&entry_gpa, note->contents, note->nr_bytes);
	notes->pvh_entry_gpa = entry_gpa;
	return NULL;
}

static const char *take(const struct note *note, struct elf_notes *notes)
{
	if (is_named(note, "Xen") && note->type == PVH_NOTE_ENTRY)
		return take_pvh(note, notes);
	if (is_named(note, "Linux"))
		notes->has_linux = true;
	if (is_named(note, MV_NOTE_NAME)) {
		notes->has_abi = true;
		notes->abi_version = note->type;
	}
	return NULL;
}

static bool is_zero(const uint8_t *bytes, size_t nr_bytes)
{
	while (nr_bytes > 0 && *bytes == 0) {
		bytes++;
		nr_bytes--;
	}
	return nr_bytes == 0;
}

/*
 * Where the next note begins: sections that are aligned to more than a word have zeros
 * before them, and no note begins with zeros, since it would have no name.
 */
static size_t skip_padding(const struct elf_note_segment *segment, size_t at)
{
	while (segment->align > WORD_BYTES && (segment->file_offset + at) % segment->align &&
	       at + WORD_BYTES <= segment->nr_bytes && is_zero(segment->bytes + at, WORD_BYTES))
		at += WORD_BYTES;
	return at;
}

/* Sums of a place in a file and 32-bit sizes, which cannot overflow. */
static size_t round_up(size_t bytes, size_t unit)
{
	return (bytes + unit - 1) / unit * unit;
}

/* The note at `at`; returns where the one behind it may begin, or 0 if it does not fit. */
static size_t read_note(const struct elf_note_segment *segment, size_t at, size_t unit,
			struct note *ret_note)
{
	Elf64_Nhdr header; /* the same in 32-bit files */

	if (at + sizeof(header) > segment->nr_bytes)
		return 0;
	memcpy(&header, segment->bytes + at, sizeof(header));
	size_t name = at + sizeof(header), name_end = name + header.n_namesz;
	/* No contents need no padding before them. */
	size_t contents = header.n_descsz ? round_up(name_end, unit) : name_end;
	size_t end = contents + header.n_descsz;
	if (end > segment->nr_bytes)
		return 0;
	*ret_note = (struct note){ header.n_type, segment->bytes + name, header.n_namesz,
				   segment->bytes + contents, header.n_descsz };
	return round_up(end, unit);
}

/* From note to note; less than a header of zeros at the end is padding. */
static const char *walk(const struct elf_note_segment *segment, size_t unit,
			struct elf_notes *notes)
{
	const char *why = NULL;
	size_t at = skip_padding(segment, 0);

	while (!why && at < segment->nr_bytes) {
		struct note note;
		size_t next = read_note(segment, at, unit, &note);

		if (next == 0)
			return is_zero(segment->bytes + at, segment->nr_bytes - at)
				       ? NULL
				       : "has a damaged note: it is longer than its segment";
		why = take(&note, notes);
		at = skip_padding(segment, next);
	}
	return why;
}

static void add_seen(struct elf_notes *to, const struct elf_notes *seen)
{
	if (seen->has_abi) {
		to->has_abi = true;
		to->abi_version = seen->abi_version;
	}
	if (seen->has_pvh) {
		to->has_pvh = true;
		to->pvh_entry_gpa = seen->pvh_entry_gpa;
	}
}

/* A walk that fails has lost its way, but not before what it has seen by then. */
static bool is_missed(const struct elf_notes *seen, const struct elf_notes *taken)
{
	return (seen->has_abi && !taken->has_abi) || (seen->has_pvh && !taken->has_pvh);
}

static const char *walk_both_ways(const struct elf_note_segment *segment, struct elf_notes *notes)
{
	struct elf_notes by_4 = { 0 }, by_8 = { 0 }, taken = { 0 };
	const char *why_4 = walk(segment, 4, &by_4), *why_8 = walk(segment, 8, &by_8);

	if (why_4 && why_8)
		return why_4;
	if (!why_8)
		add_seen(&taken, &by_8);
	if (!why_4)
		add_seen(&taken, &by_4);
	if (is_missed(&by_4, &taken) || is_missed(&by_8, &taken))
		return "has notes that cannot be told apart: align all their sections alike";
	add_seen(notes, &taken);
	return NULL;
}

const char *elf_notes_read(const struct elf_note_segment *segment, struct elf_notes *notes)
{
	if (segment->align > WORD_BYTES)
		return walk_both_ways(segment, notes);
	return walk(segment, 4, notes);
}
