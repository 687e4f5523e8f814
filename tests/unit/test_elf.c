/* SPDX-License-Identifier: MIT */
/* The loader on images built here: one good one, and every way to damage it. */
#include "unit.h"

#include <elf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc_failures.h"
#include "minivmm/abi.h"
#include "minivmm/pvh.h"
#include "vmm/guest/elf_image.h"

#define LIMIT_GPA  0x800000ull
#define NR_HEADERS 4
#define TEXT_BYTES 64
#define NOTE_BYTES 160

/* A small guest: text, data with a zeroed tail, an empty segment, and a note. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[NR_HEADERS];
	uint8_t notes[NOTE_BYTES];
	uint8_t text[TEXT_BYTES];
	uint8_t data[TEXT_BYTES];
};

enum { TEXT, DATA, EMPTY, NOTE };

static Elf64_Phdr make_segment(uint32_t type, uint32_t flags, uint64_t offset, uint64_t gpa,
			       uint64_t file_bytes, uint64_t mem_bytes)
{
	return (Elf64_Phdr){ .p_type = type,
			     .p_flags = flags,
			     .p_offset = offset,
			     .p_vaddr = gpa,
			     .p_paddr = gpa,
			     .p_filesz = file_bytes,
			     .p_memsz = mem_bytes,
			     .p_align = 8 };
}

static struct image make_image(void)
{
	struct image image = {
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_X86_64,
			.e_version = EV_CURRENT,
			.e_entry = 0x100010,
			.e_phoff = offsetof(struct image, segment),
			.e_ehsize = sizeof(Elf64_Ehdr),
			.e_phentsize = sizeof(Elf64_Phdr),
			.e_phnum = NR_HEADERS,
		},
	};

	image.segment[TEXT] = make_segment(PT_LOAD, PF_R | PF_X, offsetof(struct image, text),
					   0x100000, TEXT_BYTES, TEXT_BYTES);
	image.segment[DATA] = make_segment(PT_LOAD, PF_R | PF_W, offsetof(struct image, data),
					   0x200000, TEXT_BYTES, 0x3000);
	image.segment[EMPTY] = make_segment(PT_LOAD, PF_R, 0, 0, 0, 0);
	image.segment[NOTE] = make_segment(PT_NOTE, PF_R, offsetof(struct image, notes), 0, 0, 0);
	image.segment[NOTE].p_align = 4;
	memset(image.text, 0xaa, sizeof(image.text));
	memset(image.data, 0xbb, sizeof(image.data));
	return image;
}

static int parse(struct image *image, size_t nr_bytes, struct elf_image *ret, struct error *err)
{
	/* An allocation of the exact size, so that a sanitizer sees a read beyond it. */
	uint8_t *bytes = malloc(nr_bytes ? nr_bytes : 1);
	struct elf_file file = { "guest.elf", bytes, nr_bytes };

	memcpy(bytes, image, nr_bytes);
	int failed = elf_image_parse(&file, LIMIT_GPA, ret, err);
	free(bytes);
	return failed;
}

START_TEST(a_good_image_is_understood)
{
	struct image image = make_image();
	struct elf_image parsed;
	struct error err;

	ck_assert_msg(!parse(&image, sizeof(image), &parsed, &err), "%s", err.text);
	ck_assert_uint_eq(parsed.nr_segments, 2);
	ck_assert_uint_eq(parsed.segment[0].gpa, 0x100000);
	ck_assert(parsed.segment[0].executable && !parsed.segment[1].executable);
	ck_assert_uint_eq(parsed.segment[1].mem_bytes, 0x3000);
	ck_assert_uint_eq(parsed.entry_gpa, 0x100010);
	ck_assert_uint_eq(parsed.end_gpa, 0x203000);
}
END_TEST

START_TEST(loading_copies_the_segments_and_nothing_else)
{
	struct image image = make_image();
	struct elf_file file = { "guest.elf", (uint8_t *)&image, sizeof(image) };
	uint8_t *ram = calloc(1, LIMIT_GPA);
	struct elf_image parsed;
	struct error err;
	uint64_t sum = 0;

	ck_assert_int_eq(elf_image_parse(&file, LIMIT_GPA, &parsed, &err), 0);
	elf_image_load(&parsed, &file,
		       &(struct guest_mem){ .ram = (struct guest_ram *)ram, .bytes = LIMIT_GPA });
	ck_assert_mem_eq(ram + 0x100000, image.text, TEXT_BYTES);
	ck_assert_mem_eq(ram + 0x200000, image.data, TEXT_BYTES);
	for (uint64_t i = 0; i < LIMIT_GPA; i++)
		sum += ram[i];
	ck_assert_uint_eq(sum, TEXT_BYTES * (0xaa + 0xbb));
	free(ram);
}
END_TEST

/* A linker's .bss may lie behind the end of the file once that has been stripped. */
START_TEST(no_bytes_of_the_file_may_come_from_anywhere)
{
	static const uint64_t offsets[] = { sizeof(struct image) + 0x1000, UINT64_MAX - 0xfff };
	struct error err;

	for (unsigned i = 0; i < COUNT_OF(offsets); i++) {
		struct image image = make_image();
		struct elf_file file = { "guest.elf", (uint8_t *)&image, sizeof(image) };
		uint8_t *ram = calloc(1, LIMIT_GPA);
		struct elf_image parsed;

		image.segment[DATA].p_filesz = 0;
		image.segment[DATA].p_offset = offsets[i];
		image.segment[EMPTY].p_offset = offsets[i];
		image.segment[NOTE].p_offset = offsets[i];
		ck_assert_msg(!elf_image_parse(&file, LIMIT_GPA, &parsed, &err), "%s", err.text);
		ck_assert_uint_eq(parsed.segment[1].mem_bytes, 0x3000);
		ck_assert_uint_eq(parsed.segment[1].file_offset, 0);
		elf_image_load(
			&parsed, &file,
			&(struct guest_mem){ .ram = (struct guest_ram *)ram, .bytes = LIMIT_GPA });
		ck_assert_uint_eq(ram[0x200000], 0);
		free(ram);
	}
}
END_TEST

static struct elf_image parse_well(struct image *image)
{
	struct elf_image parsed;
	struct error err;

	ck_assert_msg(!parse(image, sizeof(*image), &parsed, &err), "%s", err.text);
	return parsed;
}

START_TEST(limits_may_be_reached)
{
	struct image image = make_image();

	/* Side by side, in either order; and the very end of memory. */
	image.segment[DATA].p_paddr = 0x100000 + TEXT_BYTES;
	ck_assert_uint_eq(parse_well(&image).end_gpa, 0x100000 + TEXT_BYTES + 0x3000);
	image.segment[DATA].p_paddr = 0x100000;
	image.segment[TEXT].p_paddr = 0x103000;
	image.header.e_entry = 0x103000;
	ck_assert_uint_eq(parse_well(&image).end_gpa, 0x103000 + TEXT_BYTES);
	image.header.e_entry = 0x103000 + TEXT_BYTES - 1;
	ck_assert_uint_eq(parse_well(&image).entry_gpa, 0x103000 + TEXT_BYTES - 1);
	image.segment[DATA].p_paddr = LIMIT_GPA - 0x3000;
	ck_assert_uint_eq(parse_well(&image).end_gpa, LIMIT_GPA);
	/* Nothing at the very end of the file; and an entry point in another segment. */
	image.segment[EMPTY].p_offset = sizeof(image);
	image.segment[EMPTY].p_paddr = 0x300000;
	image.segment[EMPTY].p_memsz = 16;
	image.segment[EMPTY].p_flags |= PF_X;
	image.header.e_entry = 0x300000;
	ck_assert_uint_eq(parse_well(&image).nr_segments, 3);
}
END_TEST

/* ---- notes ---------------------------------------------------------------------------- */

/* Appends a note; returns its header. */
static Elf64_Nhdr *add_note(struct image *image, const char *name, uint32_t type, uint64_t contents,
			    uint32_t nr_bytes)
{
	uint64_t align = image->segment[NOTE].p_align;
	uint8_t *at = image->notes + image->segment[NOTE].p_filesz;
	Elf64_Nhdr header = { (uint32_t)strlen(name) + 1, nr_bytes, type };
	uint64_t skip = (sizeof(header) + header.n_namesz + align - 1) / align * align;
	uint64_t bytes = (skip + nr_bytes + align - 1) / align * align;

	ck_assert(at + bytes <= image->notes + NOTE_BYTES && nr_bytes <= sizeof(contents));
	memcpy(at, &header, sizeof(header));
	memcpy(at + sizeof(header), name, header.n_namesz);
	memcpy(at + skip, &contents, nr_bytes);
	image->segment[NOTE].p_filesz += bytes;
	return (Elf64_Nhdr *)at;
}

static Elf64_Nhdr *add_pvh_note(struct image *image, uint32_t nr_bytes)
{
	return add_note(image, "Xen", PVH_NOTE_ENTRY, 0x100020, nr_bytes);
}

static Elf64_Nhdr *add_own_note(struct image *image, uint32_t version)
{
	return add_note(image, "minivmm", version, 0, 0);
}

static void assert_start(struct image *image, enum elf_start start)
{
	struct elf_image parsed = parse_well(image);

	ck_assert_int_eq(parsed.start, start);
	ck_assert_uint_eq(parsed.entry_gpa, start == ELF_START_PVH ? 0x100020 : 0x100010);
}

START_TEST(a_pvh_note_alone_decides)
{
	struct image without = make_image(), four = make_image(), eight = make_image();

	assert_start(&without, ELF_START_ABI);
	add_pvh_note(&four, 4);
	assert_start(&four, ELF_START_PVH);
	add_pvh_note(&eight, 8);
	assert_start(&eight, ELF_START_PVH);
	/* Then nobody asks where the ELF header's entry point is. */
	eight.header.e_entry = 0;
	assert_start(&eight, ELF_START_PVH);
}
END_TEST

START_TEST(a_note_of_our_own_goes_before_a_pvh_note)
{
	struct image image = make_image();

	add_own_note(&image, MV_ABI_VERSION);
	assert_start(&image, ELF_START_ABI);
	add_pvh_note(&image, 4);
	assert_start(&image, ELF_START_ABI);
}
END_TEST

START_TEST(notes_of_others_are_passed_over)
{
	struct image image = make_image(), wide = make_image();

	add_note(&image, "GNU", PVH_NOTE_ENTRY, 0, 5);
	add_note(&image, "Xen", 6, 0, 3);
	add_note(&image, "Xe", PVH_NOTE_ENTRY, 0, 4);
	assert_start(&image, ELF_START_ABI);
	add_pvh_note(&image, 4);
	assert_start(&image, ELF_START_PVH);

	wide.segment[NOTE].p_align = 8;
	add_note(&wide, "GNU", 5, 0, 4);
	add_pvh_note(&wide, 8);
	assert_start(&wide, ELF_START_PVH);
}
END_TEST

START_TEST(less_than_a_header_behind_the_notes_is_padding)
{
	struct image image = make_image();

	add_pvh_note(&image, 4);
	for (unsigned i = 1; i < sizeof(Elf64_Nhdr); i++) {
		image.segment[NOTE].p_filesz++;
		assert_start(&image, ELF_START_PVH);
	}
}
END_TEST

/* ---- notes aligned to 4 and to 8 in one segment ------------------------------------------- */

#define GNU   0x554e47	       /* "GNU" */
#define LINUX 0x756e694c, 0x78 /* "Linux" */
#define XEN   0x6e6558	       /* "Xen" */

/* What toolchains put into every file, and the note that is looked for. */
#define PROPERTY 4, 32, 5, GNU, 2, 4, 1, 0, 3, 4, 1, 0
#define BUILD_ID 4, 20, 3, GNU, 0xa1, 0xa2, 0xa3, 0xa4, 0xa5
#define PVH	 4, 4, PVH_NOTE_ENTRY, XEN, 0x100020
#define OWN(v)	 8, 0, v, 0x696e696d, 0x6d6d76 /* "minivmm" */
#define PACKED	 6, 4, 7, LINUX, 0xb1	       /* its contents at a multiple of 4, */
#define WIDE	 6, 4, 7, LINUX, 0, 0xb2, 0    /* and of 8 */

static void set_notes(struct image *image, uint64_t align, const uint32_t *words, size_t nr_bytes)
{
	ck_assert(nr_bytes <= NOTE_BYTES);
	memcpy(image->notes, words, nr_bytes);
	image->segment[NOTE].p_filesz = nr_bytes;
	image->segment[NOTE].p_align = align;
}

#define SET_NOTES(image, align, ...)                               \
	set_notes(image, align, (const uint32_t[]){ __VA_ARGS__ }, \
		  sizeof((const uint32_t[]){ __VA_ARGS__ }))

START_TEST(notes_aligned_to_4_and_to_8_share_a_segment)
{
	struct image image = make_image();

	SET_NOTES(&image, 8, PROPERTY, BUILD_ID);
	assert_start(&image, ELF_START_ABI);
	SET_NOTES(&image, 8, PROPERTY, BUILD_ID, PVH);
	assert_start(&image, ELF_START_PVH);
	SET_NOTES(&image, 8, BUILD_ID, PVH, PROPERTY);
	assert_start(&image, ELF_START_PVH);
	SET_NOTES(&image, 8, PVH, 0, PROPERTY, BUILD_ID);
	assert_start(&image, ELF_START_PVH);
	SET_NOTES(&image, 8, BUILD_ID, 0, PROPERTY, PVH);
	assert_start(&image, ELF_START_PVH);
	/* The walk by 8 comes to the end as well, without having seen the PVH note. */
	SET_NOTES(&image, 8, PROPERTY, BUILD_ID, PVH, PACKED);
	assert_start(&image, ELF_START_PVH);
	SET_NOTES(&image, 8, WIDE, PVH);
	assert_start(&image, ELF_START_PVH);
	/* A section that begins at a multiple of 16, and the end of one that did. */
	SET_NOTES(&image, 16, PVH, 0, 0, 0, BUILD_ID, 0, 0);
	assert_start(&image, ELF_START_PVH);
	SET_NOTES(&image, 16, BUILD_ID, 0, 0, 0, PVH);
	assert_start(&image, ELF_START_PVH);
	/* Aligned by its place in the file, not in a segment that begins 4 bytes behind a multiple.
	 */
	SET_NOTES(&image, 16, 0, BUILD_ID, 0, 0, PVH);
	image.segment[NOTE].p_offset += 4;
	image.segment[NOTE].p_filesz -= 4;
	assert_start(&image, ELF_START_PVH);
}
END_TEST

START_TEST(a_note_that_ends_with_its_name_needs_no_padding)
{
	struct image image = make_image();

	SET_NOTES(&image, 4, PVH, 6, 0, 7, LINUX);
	image.segment[NOTE].p_filesz -= 2;
	assert_start(&image, ELF_START_PVH);
}
END_TEST

/* Two bytes of padding are all that is left, and the file ends there. */
START_TEST(padding_ends_with_the_file)
{
	struct image image = make_image();
	const uint32_t note[] = { BUILD_ID };

	memset(image.data, 0, sizeof(image.data));
	memcpy(image.data + TEXT_BYTES - sizeof(note) - 2, note, sizeof(note));
	image.segment[NOTE].p_offset = sizeof(image) - sizeof(note) - 2;
	image.segment[NOTE].p_filesz = sizeof(note) + 2;
	image.segment[NOTE].p_align = 8;
	assert_start(&image, ELF_START_ABI);
}
END_TEST

START_TEST(a_note_of_our_own_is_found_among_those_aligned_to_8)
{
	struct image image = make_image();

	SET_NOTES(&image, 8, PROPERTY, BUILD_ID, PVH, OWN(MV_ABI_VERSION));
	assert_start(&image, ELF_START_ABI);
	SET_NOTES(&image, 8, WIDE, PVH, 0, OWN(MV_ABI_VERSION));
	assert_start(&image, ELF_START_ABI);
}
END_TEST

static void name_without_end(struct image *i)
{
	add_pvh_note(i, 4)->n_namesz = UINT32_MAX;
}

static void contents_without_end(struct image *i)
{
	add_pvh_note(i, 4)->n_descsz = UINT32_MAX;
}

static void contents_one_byte_too_long(struct image *i)
{
	add_pvh_note(i, 4)->n_descsz = 5;
}

static void rubbish_behind_notes(struct image *i)
{
	add_pvh_note(i, 4);
	i->notes[i->segment[NOTE].p_filesz + 10] = 1;
	i->segment[NOTE].p_filesz += 11;
}

static void padding_where_none_belongs(struct image *i)
{
	SET_NOTES(i, 4, BUILD_ID, 0, PVH);
}

static void damaged_either_way(struct image *i)
{
	SET_NOTES(i, 8, PROPERTY, BUILD_ID, PVH, 1);
}

/* By 4 the walk sees the PVH note and fails behind it; by 8 it sees none, and goes on. */
static void other_version_in_8(struct image *i)
{
	SET_NOTES(i, 8, BUILD_ID, OWN(MV_ABI_VERSION + 1));
}

/* At the very end of the file, where a sanitizer sees a read beyond it. */
static void put_notes_last(struct image *i, uint64_t align, size_t nr_bytes)
{
	i->segment[NOTE].p_offset = sizeof(*i) - nr_bytes;
	i->segment[NOTE].p_filesz = nr_bytes;
	i->segment[NOTE].p_align = align;
}

static void header_cut_off(struct image *i)
{
	put_notes_last(i, 8, sizeof(Elf64_Nhdr) - 2);
}

static void padding_cut_off(struct image *i)
{
	memset(i->data, 0, sizeof(i->data));
	i->data[TEXT_BYTES - 14] = 4; /* the name's length */
	i->data[TEXT_BYTES - 10] = 8; /* and that of contents which are not there */
	put_notes_last(i, 8, 14);
}

static void pvh_on_one_way_only(struct image *i)
{
	SET_NOTES(i, 8, PROPERTY, BUILD_ID, PVH, PACKED, WIDE);
}

static void pvh_by_4_without_address(struct image *i)
{
	SET_NOTES(i, 8, PROPERTY, BUILD_ID, 4, 0, PVH_NOTE_ENTRY, XEN, PACKED, 0, 0);
}

static void own_note_on_one_way_only(struct image *i)
{
	SET_NOTES(i, 8, BUILD_ID, OWN(1), 4, 0, 4, 0, 9, GNU);
}

static void pvh_without_address(struct image *i)
{
	add_pvh_note(i, 0);
}

static void pvh_address_of_6_bytes(struct image *i)
{
	add_pvh_note(i, 6);
}

static void pvh_entry_in_data(struct image *i)
{
	add_note(i, "Xen", PVH_NOTE_ENTRY, 0x200000, 4);
}

static void pvh_entry_far_away(struct image *i)
{
	add_note(i, "Xen", PVH_NOTE_ENTRY, UINT64_MAX, 8);
}

static void other_version(struct image *i)
{
	add_own_note(i, MV_ABI_VERSION + 1);
}

static void notes_beyond_file(struct image *i)
{
	i->segment[NOTE].p_filesz = sizeof(struct image);
}

static void notes_offset_wraps(struct image *i)
{
	i->segment[NOTE].p_offset = UINT64_MAX - 3;
	i->segment[NOTE].p_filesz = 8;
}

/* ---- damage --------------------------------------------------------------------------- */

static void not_elf(struct image *i)
{
	i->header.e_ident[0] = '#';
}

static void class_32(struct image *i)
{
	i->header.e_ident[EI_CLASS] = ELFCLASS32;
}

static void class_none(struct image *i)
{
	i->header.e_ident[EI_CLASS] = 77;
}

static void big_endian(struct image *i)
{
	i->header.e_ident[EI_DATA] = ELFDATA2MSB;
}

static void wrong_machine(struct image *i)
{
	i->header.e_machine = EM_AARCH64;
}

static void shared_library(struct image *i)
{
	i->header.e_type = ET_DYN;
}

static void object_file(struct image *i)
{
	i->header.e_type = ET_REL;
}

static void core_dump(struct image *i)
{
	i->header.e_type = ET_CORE;
}

static void interpreter(struct image *i)
{
	i->segment[NOTE].p_type = PT_INTERP;
}

static void dynamic_section(struct image *i)
{
	i->segment[NOTE].p_type = PT_DYNAMIC;
}

static void no_program_headers(struct image *i)
{
	i->header.e_phnum = 0;
}

static void many_program_headers(struct image *i)
{
	i->header.e_phnum = 65534;
}

static void extended_count(struct image *i)
{
	i->header.e_phnum = PN_XNUM;
}

static void more_headers_than_file(struct image *i)
{
	i->header.e_phnum = ELF_MAX_SEGMENTS; /* so many may be claimed */
}

static void headers_far_away(struct image *i)
{
	i->header.e_phoff = UINT64_MAX - 8;
}

static void small_headers(struct image *i)
{
	i->header.e_phentsize = 8;
}

static void file_bytes_exceed_memory(struct image *i)
{
	i->segment[DATA].p_memsz = TEXT_BYTES - 1;
}

static void file_bytes_without_memory(struct image *i)
{
	i->segment[EMPTY].p_filesz = 1;
}

static void offset_beyond_file(struct image *i)
{
	i->segment[DATA].p_offset = sizeof(struct image) - TEXT_BYTES + 1;
}

static void offset_wraps(struct image *i)
{
	i->segment[DATA].p_offset = UINT64_MAX - 7;
}

static void below_image(struct image *i)
{
	i->segment[DATA].p_paddr = MV_IMAGE_GPA - 0x1000;
}

static void headers_below_image(struct image *i)
{
	i->segment[DATA].p_offset = 0;
	i->segment[DATA].p_paddr = MV_IMAGE_GPA - 0x1000;
}

static void headers_below_large_pages(struct image *i)
{
	headers_below_image(i);
	i->segment[DATA].p_paddr = 0;
	i->segment[DATA].p_align = 0x200000;
}

static void headers_below_odd_align(struct image *i)
{
	headers_below_image(i);
	i->segment[DATA].p_align = 0x201000;
}

static void headers_below_huge_align(struct image *i)
{
	headers_below_image(i);
	i->segment[DATA].p_align = 1ull << 63;
}

static void zeros_below_image(struct image *i)
{
	headers_below_image(i);
	i->segment[DATA].p_filesz = 0;
}

static void at_zero(struct image *i)
{
	i->segment[DATA].p_paddr = 0;
}

static void beyond_memory(struct image *i)
{
	i->segment[DATA].p_paddr = LIMIT_GPA - 0x2fff;
}

static void gpa_wraps(struct image *i)
{
	i->segment[DATA].p_paddr = UINT64_MAX - 0xfff;
}

static void size_wraps(struct image *i)
{
	i->segment[DATA].p_memsz = UINT64_MAX - 0xff;
}

static void overlapping(struct image *i)
{
	i->segment[DATA].p_paddr = 0x100000 + TEXT_BYTES - 1;
}

static void overlapping_from_below(struct image *i)
{
	i->segment[TEXT].p_paddr = 0x202000;
}

static void third_overlaps_second(struct image *i)
{
	i->segment[EMPTY].p_paddr = i->segment[DATA].p_paddr;
	i->segment[EMPTY].p_memsz = 1;
}

static void third_overlaps_first(struct image *i)
{
	i->segment[EMPTY].p_paddr = i->segment[TEXT].p_paddr;
	i->segment[EMPTY].p_memsz = 1;
}

static void entry_in_data(struct image *i)
{
	i->header.e_entry = 0x200000;
}

static void entry_nowhere(struct image *i)
{
	i->header.e_entry = 0x100000 + TEXT_BYTES;
}

static void nothing_to_load(struct image *i)
{
	i->segment[TEXT].p_type = PT_NULL;
	i->segment[DATA].p_type = PT_NULL;
}

START_TEST(every_damage_is_named_in_one_line)
{
	static const struct {
		void (*damage)(struct image *image);
		const char *says;
	} table[] = {
		{ not_elf, "not an ELF file" },
		{ class_32, "not for the i386" },
		{ class_none, "header is damaged" },
		{ big_endian, "little-endian" },
		{ wrong_machine, "another machine" },
		{ shared_library, "-static" },
		{ object_file, "not been linked" },
		{ core_dump, "not an executable" },
		{ interpreter, "dynamically linked" },
		{ dynamic_section, "dynamically linked" },
		{ no_program_headers, "no program headers" },
		{ many_program_headers, "claims 65534 program headers" },
		{ extended_count, "claims 65535 program headers" },
		{ more_headers_than_file, "truncated: its program headers" },
		{ headers_far_away, "truncated" },
		{ small_headers, "of 8 bytes" },
		{ file_bytes_exceed_memory, "segment 1 takes 0x40 bytes" },
		{ file_bytes_without_memory, "segment 2 takes 0x1 bytes" },
		{ offset_beyond_file, "segment 1 lies beyond the end" },
		{ offset_wraps, "segment 1 lies beyond the end" },
		{ below_image, "link it at 0x100000 or above" },
		{ headers_below_image, "begins with the ELF headers, which" },
		{ headers_below_image, "link the code at 0x101000" },
		{ headers_below_large_pages, "link the code at 0x200000" },
		{ headers_below_odd_align, "link the code at 0x101000" },
		{ headers_below_huge_align, "link the code at 0x101000" },
		{ zeros_below_image, "link it at 0x100000 or above" },
		{ at_zero, "keeps for itself" },
		{ beyond_memory, "does not fit" },
		{ gpa_wraps, "does not fit" },
		{ size_wraps, "does not fit" },
		{ overlapping, "overlap" },
		{ overlapping_from_below, "overlap" },
		{ third_overlaps_second, "overlap" },
		{ third_overlaps_first, "overlap" },
		{ entry_in_data, "no executable segment" },
		{ entry_nowhere, "no executable segment" },
		{ nothing_to_load, "no segment to load" },
		{ name_without_end, "damaged note" },
		{ contents_without_end, "damaged note" },
		{ contents_one_byte_too_long, "damaged note" },
		{ rubbish_behind_notes, "damaged note" },
		{ padding_where_none_belongs, "damaged note" },
		{ damaged_either_way, "damaged note" },
		{ pvh_on_one_way_only, "cannot be told apart" },
		{ other_version_in_8, "version 2 of minivmm/abi.h" },
		{ header_cut_off, "damaged note" },
		{ padding_cut_off, "damaged note" },
		{ own_note_on_one_way_only, "cannot be told apart" },
		{ pvh_by_4_without_address, "cannot be told apart" },
		{ pvh_without_address, "no address of 4 or 8 bytes" },
		{ pvh_address_of_6_bytes, "no address of 4 or 8 bytes" },
		{ pvh_entry_in_data, "PVH entry point 0x200000 is in no executable segment" },
		{ pvh_entry_far_away, "PVH entry point 0xffffffffffffffff" },
		{ other_version, "version 2 of minivmm/abi.h" },
		{ notes_beyond_file, "notes lie beyond the end" },
		{ notes_offset_wraps, "notes lie beyond the end" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct image image = make_image();
		struct elf_image parsed = { .nr_segments = 77 };
		struct error err = { .status = EXIT_PASS };

		table[i].damage(&image);
		ck_assert_msg(parse(&image, sizeof(image), &parsed, &err) == -1, "%s",
			      table[i].says);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_msg(strstr(err.text, table[i].says) && strstr(err.text, "'guest.elf'"),
			      "'%s' does not say '%s'", err.text, table[i].says);
		ck_assert_uint_eq(parsed.nr_segments, 77);
	}
}
END_TEST

START_TEST(a_file_cut_off_anywhere_is_refused)
{
	struct image image = make_image();

	for (size_t nr_bytes = 0; nr_bytes < sizeof(image); nr_bytes++) {
		const char *says = nr_bytes < SELFMAG		   ? "not an ELF file"
				   : nr_bytes < sizeof(Elf64_Ehdr) ? "within the ELF header"
								   : "truncated";
		struct elf_image parsed;
		struct error err;

		ck_assert_msg(parse(&image, nr_bytes, &parsed, &err) == -1, "cut at %zu", nr_bytes);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_ptr_nonnull(strstr(err.text, says));
		/* Not both: the header is there, or it is not. */
		ck_assert((strstr(err.text, "within the ELF header") != NULL) ==
			  (nr_bytes >= SELFMAG && nr_bytes < sizeof(Elf64_Ehdr)));
	}
}
END_TEST

/* Whatever is believed must be safe to load: the sanitizers watch the copying. */
START_TEST(no_single_damaged_byte_gets_past_the_checks)
{
	static const uint8_t masks[] = { 0x01, 0x80, 0xff };
	uint8_t *ram = calloc(1, LIMIT_GPA);

	for (size_t at = 0; at < offsetof(struct image, text); at++) {
		for (unsigned m = 0; m < COUNT_OF(masks); m++) {
			struct image image = make_image();
			struct elf_file file = { "guest.elf", (uint8_t *)&image, sizeof(image) };
			struct elf_image parsed;
			struct error err;

			add_own_note(&image, MV_ABI_VERSION);
			add_pvh_note(&image, 4);
			((uint8_t *)&image)[at] ^= masks[m];
			if (elf_image_parse(&file, LIMIT_GPA, &parsed, &err))
				continue;
			for (unsigned i = 0; i < parsed.nr_segments; i++) {
				ck_assert_uint_ge(parsed.segment[i].gpa, MV_IMAGE_GPA);
				ck_assert_uint_le(parsed.segment[i].gpa, LIMIT_GPA);
				ck_assert_uint_le(parsed.segment[i].mem_bytes,
						  LIMIT_GPA - parsed.segment[i].gpa);
			}
			elf_image_load(&parsed, &file,
				       &(struct guest_mem){ .ram = (struct guest_ram *)ram,
							    .bytes = LIMIT_GPA });
		}
	}
	free(ram);
}
END_TEST

/* ---- 32-bit files ----------------------------------------------------------------------- */

/* Text and a note; the entry points are 0x100010 and, by PVH, 0x100020. */
struct small_image {
	Elf32_Ehdr header;
	Elf32_Phdr segment[2];
	uint32_t note[5];
	uint8_t text[TEXT_BYTES];
};

static struct small_image make_small_image(void)
{
	return (struct small_image){
		.header = {
			.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS32, ELFDATA2LSB, EV_CURRENT },
			.e_type = ET_EXEC,
			.e_machine = EM_386,
			.e_version = EV_CURRENT,
			.e_entry = 0x100010,
			.e_phoff = offsetof(struct small_image, segment),
			.e_ehsize = sizeof(Elf32_Ehdr),
			.e_phentsize = sizeof(Elf32_Phdr),
			.e_phnum = 2,
		},
		.segment = {
			{ PT_LOAD, offsetof(struct small_image, text), 0x100000, 0x100000, TEXT_BYTES,
			  0x2000, PF_R | PF_X, 0x1000 },
			{ PT_NOTE, offsetof(struct small_image, note), 0, 0, sizeof(uint32_t[5]), 0,
			  PF_R, 4 },
		},
		.note = { PVH },
	};
}

static int parse_small(const struct small_image *image, size_t nr_bytes, struct elf_image *ret,
		       struct error *err)
{
	uint8_t *bytes = malloc(nr_bytes);
	struct elf_file file = { "guest.elf", bytes, nr_bytes };

	memcpy(bytes, image, nr_bytes);
	int failed = elf_image_parse(&file, LIMIT_GPA, ret, err);
	free(bytes);
	return failed;
}

/* PVH starts a CPU in 32-bit mode, so it is at home in a file of either class. */
START_TEST(a_32_bit_file_is_started_by_pvh)
{
	struct small_image image = make_small_image();
	struct elf_image parsed;
	struct error err;

	ck_assert_msg(!parse_small(&image, sizeof(image), &parsed, &err), "%s", err.text);
	ck_assert_int_eq(parsed.start, ELF_START_PVH);
	ck_assert_uint_eq(parsed.entry_gpa, 0x100020);
	ck_assert_uint_eq(parsed.nr_segments, 1);
	ck_assert_uint_eq(parsed.segment[0].gpa, 0x100000);
	ck_assert_uint_eq(parsed.segment[0].mem_bytes, 0x2000);
	ck_assert_uint_eq(parsed.segment[0].file_bytes, TEXT_BYTES);
	for (size_t nr_bytes = SELFMAG; nr_bytes < sizeof(image); nr_bytes++) {
		ck_assert_msg(parse_small(&image, nr_bytes, &parsed, &err) == -1, "cut at %zu",
			      nr_bytes);
		ck_assert_msg(strstr(err.text, "is truncated"), "cut at %zu: %s", nr_bytes,
			      err.text);
		ck_assert((strstr(err.text, "within the ELF header") != NULL) ==
			  (nr_bytes < sizeof(Elf32_Ehdr)));
	}
}
END_TEST

START_TEST(a_32_bit_file_without_pvh_is_refused)
{
	struct small_image image = make_small_image();
	struct elf_image parsed;
	struct error err;

	image.segment[1].p_filesz = 0;
	ck_assert_int_eq(parse_small(&image, sizeof(image), &parsed, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "build it with -m64, or start it by a PVH note"));
	image.header.e_machine = EM_X86_64;
	ck_assert_int_eq(parse_small(&image, sizeof(image), &parsed, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "not for the i386"));
	image.header.e_machine = EM_386;
	image.header.e_phentsize = sizeof(Elf64_Phdr);
	ck_assert_int_eq(parse_small(&image, sizeof(image), &parsed, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "of 56 bytes instead of 32"));
}
END_TEST

/* ---- files ------------------------------------------------------------------------------ */

static void assert_refused(const char *path, const char *says)
{
	struct elf_file file;
	struct error err = { .text = "" };

	ck_assert_int_eq(elf_file_read(&file, path, &err), -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_msg(strstr(err.text, says) && strstr(err.text, path), "'%s'", err.text);
}

START_TEST(what_is_no_readable_file_is_refused)
{
	char directory[] = "/tmp/minivmm-unit-XXXXXX";
	struct elf_file file;
	struct error err;

	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	ck_assert_int_eq(mkdir("directory", 0700), 0);
	fclose(fopen("empty", "w"));
	fclose(fopen("huge", "w"));
	ck_assert_int_eq(truncate("huge", (off_t)1 << 40), 0);
	assert_refused("missing", "No such file");
	assert_refused("fifo", "not a regular file");
	assert_refused("directory", "is a directory");
	assert_refused("empty", "is empty");
	assert_refused("huge", "larger than 256 MiB");
	ck_assert_int_eq(truncate("huge", ELF_FILE_MAX_BYTES), 0);
	fail_allocation_after(0);
	ck_assert_int_eq(elf_file_read(&file, "huge", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "no memory for its 268435456 bytes"));
	assert_refused("/dev/zero", "not a regular file");
	unlink("fifo");
	rmdir("directory");
	unlink("empty");
	unlink("huge");
	rmdir(directory);
}
END_TEST

/* A file of these bytes; path ends in XXXXXX, which mkstemp() replaces. */
static void make_file(char *path, const char *bytes, size_t nr_bytes)
{
	int fd = mkstemp(path);

	ck_assert_int_eq(write(fd, bytes, nr_bytes), (ssize_t)nr_bytes);
	close(fd);
}

START_TEST(a_file_is_read_as_it_is)
{
	char path[] = "/tmp/minivmm-unit-XXXXXX";
	struct elf_file file;
	struct error err;

	make_file(path, "\177ELF\0x", 6);
	ck_assert_msg(!elf_file_read(&file, path, &err), "%s", err.text);
	ck_assert_uint_eq(file.nr_bytes, 6);
	ck_assert_mem_eq(file.bytes, "\177ELF\0x", 6);
	elf_file_finish(&file);
	elf_file_finish(&file);
	ck_assert_ptr_null(file.bytes);
	ck_assert_uint_eq(file.nr_bytes, 0);
	unlink(path);
}
END_TEST

static int lowest_free_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

START_TEST(a_file_is_open_only_while_it_is_read)
{
	int before = lowest_free_fd();
	struct elf_file file;
	struct error err;

	ck_assert_int_eq(elf_file_read(&file, "/proc/self/exe", &err), 0);
	elf_file_finish(&file);
	ck_assert_int_eq(elf_file_read(&file, "/", &err), -1);
	ck_assert_int_eq(lowest_free_fd(), before);
}
END_TEST

/* Descriptor 0 is as good as any, if the caller has closed it. */
START_TEST(a_file_may_take_the_place_of_stdin)
{
	int keep = dup(STDIN_FILENO);
	struct elf_file file;
	struct error err;

	close(STDIN_FILENO);
	int failed = elf_file_read(&file, "/proc/self/exe", &err);
	if (keep >= 0)
		dup2(keep, STDIN_FILENO);
	ck_assert_int_eq(failed, 0);
	elf_file_finish(&file);
}
END_TEST

START_TEST(a_file_that_comes_in_pieces_is_read_whole)
{
	char path[] = "/tmp/minivmm-unit-XXXXXX";
	struct elf_file file;
	struct error err;

	make_file(path, "\177ELF\0x", 6);
	read_at_most(1);
	ck_assert_int_eq(elf_file_read(&file, path, &err), 0);
	ck_assert_uint_eq(last_read_asked_for(), 1);
	ck_assert_uint_eq(file.nr_bytes, 6);
	ck_assert_mem_eq(file.bytes, "\177ELF\0x", 6);
	elf_file_finish(&file);
	read_at_most(0); /* as if somebody had cut it off meanwhile */
	ck_assert_int_eq(elf_file_read(&file, path, &err), 0);
	ck_assert_uint_eq(file.nr_bytes, 0);
	elf_file_finish(&file);
	unlink(path);
}
END_TEST

START_TEST(a_file_that_cannot_be_read_is_refused)
{
	char path[] = "/tmp/minivmm-unit-XXXXXX";
	struct elf_file file;
	struct error err;

	make_file(path, "\177ELF", 4);
	fail_next_read(EIO);
	assert_refused(path, "read: Input/output error");
	fail_allocation_after(0);
	ck_assert_int_eq(elf_file_read(&file, path, &err), -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "no memory for its 4 bytes"));
	fail_next_read(EINTR); /* a signal came before the first byte */
	ck_assert_int_eq(elf_file_read(&file, path, &err), 0);
	ck_assert_uint_eq(file.nr_bytes, 4);
	elf_file_finish(&file);
	unlink(path);
}
END_TEST

/* The kernel says 4096 bytes of a file in sysfs, whatever is in it. */
START_TEST(a_file_that_ends_early_has_the_bytes_that_were_there)
{
	static const char path[] = "/sys/devices/system/cpu/online";
	char expected[4096];
	struct elf_file file;
	struct error err;
	FILE *sysfs = fopen(path, "r");

	if (!sysfs)
		return;
	size_t nr_bytes = fread(expected, 1, sizeof(expected), sysfs);
	fclose(sysfs);
	ck_assert_msg(!elf_file_read(&file, path, &err), "%s", err.text);
	ck_assert_uint_eq(file.nr_bytes, nr_bytes);
	ck_assert_mem_eq(file.bytes, expected, nr_bytes);
	elf_file_finish(&file);
}
END_TEST

#define TESTS(X)                                               \
	X(a_good_image_is_understood)                          \
	X(limits_may_be_reached)                               \
	X(loading_copies_the_segments_and_nothing_else)        \
	X(no_bytes_of_the_file_may_come_from_anywhere)         \
	X(notes_aligned_to_4_and_to_8_share_a_segment)         \
	X(a_note_that_ends_with_its_name_needs_no_padding)     \
	X(padding_ends_with_the_file)                          \
	X(a_note_of_our_own_is_found_among_those_aligned_to_8) \
	X(a_pvh_note_alone_decides)                            \
	X(a_note_of_our_own_goes_before_a_pvh_note)            \
	X(notes_of_others_are_passed_over)                     \
	X(less_than_a_header_behind_the_notes_is_padding)      \
	X(a_32_bit_file_is_started_by_pvh)                     \
	X(a_32_bit_file_without_pvh_is_refused)                \
	X(every_damage_is_named_in_one_line)                   \
	X(a_file_cut_off_anywhere_is_refused)                  \
	X(no_single_damaged_byte_gets_past_the_checks)         \
	X(what_is_no_readable_file_is_refused)                 \
	X(a_file_is_read_as_it_is)                             \
	X(a_file_is_open_only_while_it_is_read)                \
	X(a_file_may_take_the_place_of_stdin)                  \
	X(a_file_that_comes_in_pieces_is_read_whole)           \
	X(a_file_that_cannot_be_read_is_refused)               \
	X(a_file_that_ends_early_has_the_bytes_that_were_there)

UNIT_SUITE(elf, TESTS)
