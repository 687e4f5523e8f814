/* SPDX-License-Identifier: MIT */
/* The loader on images built here: one good one, and every way to damage it. */
#include "unit.h"

#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "elf_image.h"
#include "minivmm/abi.h"

#define LIMIT_GPA  0x800000ull
#define NR_HEADERS 4
#define TEXT_BYTES 64

/* A small guest: text, data with a zeroed tail, an empty segment, and a note. */
struct image {
	Elf64_Ehdr header;
	Elf64_Phdr segment[NR_HEADERS];
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
	image.segment[NOTE] = make_segment(PT_NOTE, PF_R, 0, 0, 0, 0);
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
	elf_image_load(&parsed, &file, ram);
	ck_assert_mem_eq(ram + 0x100000, image.text, TEXT_BYTES);
	ck_assert_mem_eq(ram + 0x200000, image.data, TEXT_BYTES);
	for (uint64_t i = 0; i < LIMIT_GPA; i++)
		sum += ram[i];
	ck_assert_uint_eq(sum, TEXT_BYTES * (0xaa + 0xbb));
	free(ram);
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
}
END_TEST

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
	i->header.e_phnum = 60;
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
		{ class_32, "32-bit" },
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
		{ more_headers_than_file, "truncated" },
		{ headers_far_away, "truncated" },
		{ small_headers, "of 8 bytes" },
		{ file_bytes_exceed_memory, "segment 1 takes 0x40 bytes" },
		{ file_bytes_without_memory, "segment 2 takes 0x1 bytes" },
		{ offset_beyond_file, "segment 1 lies beyond the end" },
		{ offset_wraps, "segment 1 lies beyond the end" },
		{ below_image, "keeps for itself" },
		{ at_zero, "keeps for itself" },
		{ beyond_memory, "does not fit" },
		{ gpa_wraps, "does not fit" },
		{ size_wraps, "does not fit" },
		{ overlapping, "overlap" },
		{ overlapping_from_below, "overlap" },
		{ entry_in_data, "no executable segment" },
		{ entry_nowhere, "no executable segment" },
		{ nothing_to_load, "no segment to load" },
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
		struct elf_image parsed;
		struct error err;

		ck_assert_msg(parse(&image, nr_bytes, &parsed, &err) == -1, "cut at %zu", nr_bytes);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_ptr_nonnull(
			strstr(err.text, nr_bytes < SELFMAG ? "not an ELF file" : "truncated"));
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

			((uint8_t *)&image)[at] ^= masks[m];
			if (elf_image_parse(&file, LIMIT_GPA, &parsed, &err))
				continue;
			for (unsigned i = 0; i < parsed.nr_segments; i++) {
				ck_assert_uint_ge(parsed.segment[i].gpa, MV_IMAGE_GPA);
				ck_assert_uint_le(parsed.segment[i].gpa, LIMIT_GPA);
				ck_assert_uint_le(parsed.segment[i].mem_bytes,
						  LIMIT_GPA - parsed.segment[i].gpa);
			}
			elf_image_load(&parsed, &file, ram);
		}
	}
	free(ram);
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
	assert_refused("/dev/zero", "not a regular file");
	unlink("fifo");
	rmdir("directory");
	unlink("empty");
	unlink("huge");
	rmdir(directory);
}
END_TEST

START_TEST(a_file_is_read_as_it_is)
{
	char path[] = "/tmp/minivmm-unit-XXXXXX";
	int fd = mkstemp(path);
	struct elf_file file;
	struct error err;

	ck_assert_int_eq(write(fd, "\177ELF\0x", 6), 6);
	close(fd);
	ck_assert_msg(!elf_file_read(&file, path, &err), "%s", err.text);
	ck_assert_uint_eq(file.nr_bytes, 6);
	ck_assert_mem_eq(file.bytes, "\177ELF\0x", 6);
	elf_file_finish(&file);
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

#define TESTS(X)                                        \
	X(a_good_image_is_understood)                   \
	X(limits_may_be_reached)                        \
	X(loading_copies_the_segments_and_nothing_else) \
	X(every_damage_is_named_in_one_line)            \
	X(a_file_cut_off_anywhere_is_refused)           \
	X(no_single_damaged_byte_gets_past_the_checks)  \
	X(what_is_no_readable_file_is_refused)          \
	X(a_file_is_read_as_it_is)                      \
	X(a_file_that_ends_early_has_the_bytes_that_were_there)

UNIT_SUITE(elf, TESTS)
