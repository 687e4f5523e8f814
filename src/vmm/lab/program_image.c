/* SPDX-License-Identifier: MIT */
/* Programs without what is not loaded. */
#include "vmm/lab/program_image.h"

#include <elf.h>
#include <stdbool.h>
#include <string.h>

#define ALIGN_4(n) (((n) + 3) & ~(size_t)3)

static bool is_within(uint64_t from, uint64_t bytes, size_t length)
{
	return from <= length && bytes <= length - from;
}

static void clear_build_id(uint8_t *data, size_t length)
{
	Elf64_Nhdr note;

	for (size_t at = 0; is_within(at, sizeof(note), length);) {
		memcpy(&note, data + at, sizeof(note));
		size_t text = at + sizeof(note) + ALIGN_4((size_t)note.n_namesz);
		if (!is_within(text, note.n_descsz, length))
			return;
		if (note.n_type == NT_GNU_BUILD_ID && note.n_namesz == sizeof("GNU") &&
		    memcmp(data + at + sizeof(note), "GNU", sizeof("GNU")) == 0)
			memset(data + text, 0, note.n_descsz);
		at = text + ALIGN_4((size_t)note.n_descsz);
	}
}

/* The end of what is loaded; 0 if it is no program with an interpreter, or a broken one. */
static size_t clear_notes(uint8_t *data, size_t length, const Elf64_Ehdr *head)
{
	Elf64_Phdr p;
	uint64_t end = 0;
	bool interpreter = false;

	for (unsigned i = 0; i < head->e_phnum; i++) {
		memcpy(&p, data + head->e_phoff + i * sizeof(p), sizeof(p));
		if (!is_within(p.p_offset, p.p_filesz, length))
			return 0;
		interpreter = interpreter || p.p_type == PT_INTERP;
		if (p.p_type == PT_LOAD && p.p_offset + p.p_filesz > end)
			end = p.p_offset + p.p_filesz;
	}
	for (unsigned i = 0; interpreter && i < head->e_phnum; i++) {
		memcpy(&p, data + head->e_phoff + i * sizeof(p), sizeof(p));
		if (p.p_type == PT_NOTE)
			clear_build_id(data + p.p_offset, p.p_filesz);
	}
	return interpreter ? (size_t)end : 0;
}

size_t program_image_strip(uint8_t *data, size_t length)
{
	Elf64_Ehdr head;

	if (length < sizeof(head))
		return length;
	memcpy(&head, data, sizeof(head));
	if (memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 || head.e_ident[EI_CLASS] != ELFCLASS64 ||
	    head.e_phentsize != sizeof(Elf64_Phdr) ||
	    !is_within(head.e_phoff, (uint64_t)head.e_phnum * sizeof(Elf64_Phdr), length))
		return length;
	size_t end = clear_notes(data, length, &head);
	if (end < sizeof(head))
		return length;
	head.e_shoff = 0;
	head.e_shnum = head.e_shstrndx = 0;
	memcpy(data, &head, sizeof(head));
	return end;
}
