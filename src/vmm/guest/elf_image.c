/* SPDX-License-Identifier: MIT */
/* Checks a guest's ELF file, and copies it into guest memory. */
#include "vmm/guest/elf_image.h"

#include <gelf.h>
#include <string.h>

#include "minivmm/abi.h"
#include "vmm/guest/elf_notes.h"

static int bad_guest(struct error *err, const struct elf_file *file, const char *why)
{
	return error_set(err, EXIT_USAGE, "guest '%s' %s", file->path, why);
}

/* What libelf refuses although our own checks let it pass. */
static int damaged(struct error *err, const struct elf_file *file)
{
	return error_set(err, EXIT_USAGE, "guest '%s' is damaged: %s", file->path, elf_errmsg(-1));
}

/* Whether [offset, offset + bytes) lies within [0, size); no bytes at all do, wherever. */
static bool is_within(uint64_t offset, uint64_t bytes, uint64_t size)
{
	return bytes == 0 || (offset <= size && bytes <= size - offset);
}

static bool is_32_bit(const struct elf_file *file)
{
	return file->bytes[EI_CLASS] == ELFCLASS32;
}

/* What is wrong with the first bytes of the file, or NULL. */
static const char *check_ident(const struct elf_file *file)
{
	const uint8_t *ident = file->bytes;

	if (file->nr_bytes < SELFMAG || memcmp(ident, ELFMAG, SELFMAG) != 0)
		return "is not an ELF file";
	if (file->nr_bytes < EI_NIDENT ||
	    file->nr_bytes < (is_32_bit(file) ? sizeof(Elf32_Ehdr) : sizeof(Elf64_Ehdr)))
		return "is truncated: it ends within the ELF header";
	if (ident[EI_CLASS] != ELFCLASS64 && !is_32_bit(file))
		return "is neither a 32-bit nor a 64-bit ELF file: its header is damaged";
	if (ident[EI_DATA] != ELFDATA2LSB)
		return "is not little-endian: build it for x86-64";
	return NULL;
}

static const char *check_type(const struct elf_file *file, const GElf_Ehdr *header)
{
	if (is_32_bit(file) && header->e_machine != EM_386)
		return "is a 32-bit ELF file that is not for the i386: build it with -m64";
	if (!is_32_bit(file) && header->e_machine != EM_X86_64)
		return "is for another machine: build it for x86-64";
	if (header->e_type == ET_DYN)
		return "is position-independent or a shared library: link it with -static -no-pie";
	if (header->e_type == ET_REL)
		return "is an object file that has not been linked";
	if (header->e_type != ET_EXEC)
		return "is not an executable";
	return NULL;
}

static int check_program_headers(const struct elf_file *file, const GElf_Ehdr *header,
				 struct error *err)
{
	size_t header_bytes = is_32_bit(file) ? sizeof(Elf32_Phdr) : sizeof(Elf64_Phdr);

	if (header->e_phnum == 0)
		return bad_guest(err, file, "has no program headers: nothing says what to load");
	if (header->e_phnum > ELF_MAX_SEGMENTS)
		return error_set(err, EXIT_USAGE,
				 "guest '%s' claims %u program headers: %d are the most",
				 file->path, header->e_phnum, ELF_MAX_SEGMENTS);
	if (header->e_phentsize != header_bytes)
		return error_set(err, EXIT_USAGE,
				 "guest '%s' has program headers of %u bytes instead of %zu",
				 file->path, header->e_phentsize, header_bytes);
	if (!is_within(header->e_phoff, header->e_phnum * header_bytes, file->nr_bytes))
		return bad_guest(
			err, file,
			"is truncated: its program headers lie beyond the end of the file");
	return 0;
}

#define LEAST_ALIGN 0x1000u /* of what a linker puts into pages of its own */

/* The first address from MV_IMAGE_GPA on below which the linker has room for the headers. */
static uint64_t gpa_behind_headers(const GElf_Phdr *header)
{
	uint64_t align = header->p_align;

	if (align < LEAST_ALIGN || align > ELF_FILE_MAX_BYTES || (align & (align - 1)))
		align = LEAST_ALIGN;
	return (MV_IMAGE_GPA + align) / align * align;
}

/* A linker that is told where the code is puts the file's headers in front of it. */
static int too_low(const struct elf_file *file, unsigned index, const GElf_Phdr *header,
		   struct error *err)
{
	if (header->p_offset == 0 && header->p_filesz > 0)
		return error_set(err, EXIT_USAGE,
				 "guest '%s': segment %u at 0x%jx begins with the ELF headers, "
				 "which the linker puts below the code, over memory that minivmm "
				 "keeps for itself: link the code at 0x%jx",
				 file->path, index, (uintmax_t)header->p_paddr,
				 (uintmax_t)gpa_behind_headers(header));
	return error_set(err, EXIT_USAGE,
			 "guest '%s': segment %u at 0x%jx lies over memory that minivmm "
			 "keeps for itself: link it at 0x%x or above",
			 file->path, index, (uintmax_t)header->p_paddr, MV_IMAGE_GPA);
}

static int check_segment(const struct elf_file *file, unsigned index, const GElf_Phdr *header,
			 uint64_t limit_gpa, struct error *err)
{
	if (header->p_filesz > header->p_memsz)
		return error_set(err, EXIT_USAGE,
				 "guest '%s': segment %u takes 0x%jx bytes from the file for "
				 "0x%jx bytes of memory",
				 file->path, index, (uintmax_t)header->p_filesz,
				 (uintmax_t)header->p_memsz);
	if (!is_within(header->p_offset, header->p_filesz, file->nr_bytes))
		return error_set(
			err, EXIT_USAGE,
			"guest '%s' is truncated: segment %u lies beyond the end of the file",
			file->path, index);
	if (header->p_paddr < MV_IMAGE_GPA)
		return too_low(file, index, header, err);
	if (!is_within(header->p_paddr, header->p_memsz, limit_gpa))
		return error_set(err, EXIT_USAGE,
				 "guest '%s': segment %u, 0x%jx bytes at 0x%jx, does not fit below "
				 "0x%jx: link it lower, or give more --mem",
				 file->path, index, (uintmax_t)header->p_memsz,
				 (uintmax_t)header->p_paddr, (uintmax_t)limit_gpa);
	return 0;
}

/* A segment without bytes of the file may name an offset that is not in it. */
static void add_segment(struct elf_image *image, const GElf_Phdr *header)
{
	image->segment[image->nr_segments++] = (struct elf_segment){
		.gpa = header->p_paddr,
		.mem_bytes = header->p_memsz,
		.file_offset = header->p_filesz ? header->p_offset : 0,
		.file_bytes = header->p_filesz,
		.executable = header->p_flags & PF_X,
	};
	if (image->end_gpa < header->p_paddr + header->p_memsz)
		image->end_gpa = header->p_paddr + header->p_memsz;
}

static int take_notes(const struct elf_file *file, const GElf_Phdr *header, struct elf_notes *notes,
		      struct error *err)
{
	if (!is_within(header->p_offset, header->p_filesz, file->nr_bytes))
		return bad_guest(err, file,
				 "is truncated: its notes lie beyond the end of the file");
	if (header->p_filesz == 0)
		return 0;
	struct elf_note_segment segment = {
		.bytes = file->bytes + header->p_offset,
		.nr_bytes = header->p_filesz,
		.file_offset = header->p_offset,
		.align = header->p_align,
	};
	const char *why = elf_notes_read(&segment, notes);
	return why ? bad_guest(err, file, why) : 0;
}

/* Linkers leave segments of size 0 behind, at any address: they ask for nothing. */
static int take_program_header(const struct elf_file *file, unsigned index, const GElf_Phdr *header,
			       uint64_t limit_gpa, struct elf_image *image, struct elf_notes *notes,
			       struct error *err)
{
	if (header->p_type == PT_INTERP || header->p_type == PT_DYNAMIC)
		return bad_guest(err, file, "is dynamically linked: link it with -static");
	if (header->p_type == PT_NOTE)
		return take_notes(file, header, notes, err);
	if (header->p_type != PT_LOAD || (header->p_memsz == 0 && header->p_filesz == 0))
		return 0;
	if (check_segment(file, index, header, limit_gpa, err))
		return -1;
	add_segment(image, header);
	return 0;
}

/* The ends cannot overflow: every segment has been found to lie below a limit. */
static bool overlap(const struct elf_segment *a, const struct elf_segment *b)
{
	return a->gpa < b->gpa + b->mem_bytes && b->gpa < a->gpa + a->mem_bytes;
}

static int check_overlaps(const struct elf_file *file, const struct elf_image *image,
			  struct error *err)
{
	for (unsigned i = 0; i < image->nr_segments; i++) {
		for (unsigned j = 0; j < i; j++) {
			const struct elf_segment *a = &image->segment[j], *b = &image->segment[i];

			if (overlap(a, b))
				return error_set(
					err, EXIT_USAGE,
					"guest '%s': the segments at 0x%jx and 0x%jx overlap",
					file->path, (uintmax_t)a->gpa, (uintmax_t)b->gpa);
		}
	}
	return 0;
}

static int check_entry(const struct elf_file *file, const struct elf_image *image,
		       struct error *err)
{
	for (unsigned i = 0; i < image->nr_segments; i++) {
		const struct elf_segment *s = &image->segment[i];

		if (s->executable && image->entry_gpa >= s->gpa &&
		    image->entry_gpa - s->gpa < s->mem_bytes)
			return 0;
	}
	return error_set(err, EXIT_USAGE,
			 "guest '%s': its %sentry point 0x%jx is in no executable segment",
			 file->path, image->start == ELF_START_PVH ? "PVH " : "",
			 (uintmax_t)image->entry_gpa);
}

/* A guest with both notes, such as the bundled one, is started as abi.h says. */
static int choose_start(const struct elf_file *file, const GElf_Ehdr *header,
			const struct elf_notes *notes, struct elf_image *image, struct error *err)
{
	if (notes->has_abi && notes->abi_version != MV_ABI_VERSION)
		return error_set(err, EXIT_USAGE,
				 "guest '%s' is made for version %u of minivmm/abi.h, this minivmm "
				 "is for version %d: build it again",
				 file->path, notes->abi_version, MV_ABI_VERSION);
	bool by_pvh = notes->has_pvh && !notes->has_abi;
	if (is_32_bit(file) && !by_pvh)
		return bad_guest(
			err, file,
			"is a 32-bit ELF file, and by minivmm/abi.h guests start in 64-bit "
			"mode: build it with -m64, or start it by a PVH note alone");
	image->is_linux = by_pvh && notes->has_linux;
	image->start = by_pvh ? ELF_START_PVH : ELF_START_ABI;
	image->entry_gpa = by_pvh ? notes->pvh_entry_gpa : header->e_entry;
	return check_entry(file, image, err);
}

static int parse_elf(Elf *elf, const struct elf_file *file, uint64_t limit_gpa,
		     struct elf_image *image, struct error *err)
{
	GElf_Ehdr header;

	if (!gelf_getehdr(elf, &header))
		return damaged(err, file);
	const char *why = check_type(file, &header);
	if (why)
		return bad_guest(err, file, why);
	if (check_program_headers(file, &header, err))
		return -1;

	struct elf_notes notes = { 0 };
	for (int i = 0; i < header.e_phnum; i++) {
		GElf_Phdr program_header; /* a copy: in the file it may lie at an odd address */

		if (!gelf_getphdr(elf, i, &program_header))
			return damaged(err, file);
		if (take_program_header(file, (unsigned)i, &program_header, limit_gpa, image,
					&notes, err))
			return -1;
	}
	if (image->nr_segments == 0)
		return bad_guest(err, file, "has no segment to load");
	if (check_overlaps(file, image, err))
		return -1;
	return choose_start(file, &header, &notes, image, err);
}

int elf_image_parse(const struct elf_file *file, uint64_t limit_gpa, struct elf_image *ret_image,
		    struct error *err)
{
	struct elf_image image = { 0 };
	const char *why = check_ident(file);

	if (why)
		return bad_guest(err, file, why);
	if (elf_version(EV_CURRENT) == EV_NONE)
		return error_set(err, EXIT_HOST, "libelf: %s", elf_errmsg(-1));
	Elf *elf = elf_memory((char *)file->bytes, file->nr_bytes);
	if (!elf)
		return damaged(err, file);
	int failed = parse_elf(elf, file, limit_gpa, &image, err);
	elf_end(elf);
	if (failed)
		return -1;
	*ret_image = image;
	return 0;
}

void elf_image_load(const struct elf_image *image, const struct elf_file *file,
		    const struct guest_mem *mem)
{
	for (unsigned i = 0; i < image->nr_segments; i++) {
		const struct elf_segment *s = &image->segment[i];

		memcpy(guest_mem_own(mem, s->gpa, s->file_bytes), file->bytes + s->file_offset,
		       s->file_bytes);
	}
}
