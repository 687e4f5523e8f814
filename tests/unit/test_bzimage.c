/* SPDX-License-Identifier: MIT */
/* Kernel images: what is unpacked, and what is refused with one line. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/linux/bzimage.h"
#include "vmm/linux/unpack.h"

#define PAYLOAD_AT 0x600 /* behind two sectors and the boot sector, at offset 0 */

/* "minivmm\n" as gzip -9, xz --check=crc32, lz4 -l and zstd -19 pack it. */
static const uint8_t as_gzip[] = { 0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03,
				   0xcb, 0xcd, 0xcc, 0xcb, 0x2c, 0xcb, 0xcd, 0xe5, 0x02, 0x00,
				   0xe4, 0x43, 0xe3, 0xa8, 0x08, 0x00, 0x00, 0x00 };
static const uint8_t as_xz[] = { 0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00, 0x00, 0x01, 0x69, 0x22,
				 0xde, 0x36, 0x02, 0x00, 0x21, 0x01, 0x16, 0x00, 0x00, 0x00,
				 0x74, 0x2f, 0xe5, 0xa3, 0x01, 0x00, 0x07, 0x6d, 0x69, 0x6e,
				 0x69, 0x76, 0x6d, 0x6d, 0x0a, 0x00, 0xe4, 0x43, 0xe3, 0xa8,
				 0x00, 0x01, 0x1c, 0x08, 0x44, 0x60, 0x2a, 0xc8, 0x90, 0x42,
				 0x99, 0x0d, 0x01, 0x00, 0x00, 0x00, 0x00, 0x01, 0x59, 0x5a };
static const uint8_t as_lz4[] = { 0x02, 0x21, 0x4c, 0x18, 0x09, 0x00, 0x00, 0x00, 0x80,
				  0x6d, 0x69, 0x6e, 0x69, 0x76, 0x6d, 0x6d, 0x0a };
static const uint8_t as_zstd[] = { 0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x68, 0x41, 0x00, 0x00,
				   0x6d, 0x69, 0x6e, 0x69, 0x76, 0x6d, 0x6d, 0x0a };

static const struct packed {
	const char *name;
	const uint8_t *bytes;
	size_t nr;
} packed[] = {
	{ "gzip", as_gzip, sizeof(as_gzip) },
	{ "xz", as_xz, sizeof(as_xz) },
	{ "lz4", as_lz4, sizeof(as_lz4) },
	{ "zstd", as_zstd, sizeof(as_zstd) },
};

static void put(uint8_t *at, uint32_t value, unsigned bytes)
{
	memcpy(at, &value, bytes);
}

/* An image with this payload, which says that it unpacks to so many bytes. */
static struct elf_file make_image(const uint8_t *payload, size_t nr, uint32_t unpacked_bytes)
{
	struct elf_file file = { .path = "vmlinuz", .nr_bytes = PAYLOAD_AT + nr + 4 };

	file.bytes = calloc(1, file.nr_bytes);
	file.bytes[0x1f1] = 2;
	put(file.bytes + 0x1fe, 0xaa55, 2);
	memcpy(file.bytes + 0x202, "HdrS", 4);
	put(file.bytes + 0x206, 0x020f, 2);
	put(file.bytes + 0x24c, (uint32_t)nr + 4, 4);
	memcpy(file.bytes + PAYLOAD_AT, payload, nr);
	put(file.bytes + PAYLOAD_AT + nr, unpacked_bytes, 4);
	return file;
}

static void expect_refused(struct elf_file *file, int status, const char *says)
{
	struct error err = { .text = "" };

	ck_assert_int_eq(bzimage_unpack(file, &err), -1);
	ck_assert_int_eq(err.status, status);
	ck_assert_msg(strstr(err.text, says) != NULL, "'%s' is not in '%s'", says, err.text);
	ck_assert_ptr_nonnull(strstr(err.text, "'vmlinuz'"));
	ck_assert_ptr_null(strchr(err.text, '\n'));
	elf_file_finish(file);
}

START_TEST(only_a_boot_sector_with_its_header_is_an_image)
{
	struct elf_file file = make_image(as_gzip, sizeof(as_gzip), 1);

	ck_assert(bzimage_is(&file));
	file.nr_bytes = 0x205;
	ck_assert(!bzimage_is(&file));
	file.nr_bytes = 0x206;
	ck_assert(bzimage_is(&file));
	file.bytes[0x202] = 'h';
	ck_assert(!bzimage_is(&file));
	elf_file_finish(&file);
}
END_TEST

START_TEST(a_kernel_is_put_in_the_place_of_its_image)
{
	for (unsigned i = 0; i < COUNT_OF(packed); i++) {
		const struct unpacker *u = unpacker_find(packed[i].bytes, packed[i].nr);
		struct elf_file file = make_image(packed[i].bytes, packed[i].nr, 8);
		struct error err;

		ck_assert_ptr_nonnull(u);
		ck_assert_str_eq(u->name, packed[i].name);
		if (!u->unpack) { /* this build lacks its library */
			expect_refused(&file, EXIT_HOST, u->package);
			continue;
		}
		ck_assert_int_eq(bzimage_unpack(&file, &err), 0);
		ck_assert_uint_eq(file.nr_bytes, 8);
		ck_assert_int_eq(memcmp(file.bytes, "minivmm\n", 8), 0);
		elf_file_finish(&file);
	}
}
END_TEST

START_TEST(a_kernel_of_another_size_or_in_pieces_is_damaged)
{
	for (unsigned i = 0; i < COUNT_OF(packed); i++) {
		if (!unpacker_find(packed[i].bytes, packed[i].nr)->unpack)
			continue;
		for (uint32_t bytes = 7; bytes <= 9; bytes++) {
			size_t cut = bytes == 8 ? 10 : 0;
			struct elf_file file = make_image(packed[i].bytes, packed[i].nr - cut,
							  bytes);
			expect_refused(&file, EXIT_USAGE, "kernel");
		}
	}
}
END_TEST

START_TEST(a_block_of_lz4_that_leads_nowhere_is_damaged)
{
	static const uint32_t block_bytes[] = { 0, 10, UINT32_MAX };

	for (unsigned i = 0; i < COUNT_OF(block_bytes); i++) {
		uint8_t changed[sizeof(as_lz4)];

		memcpy(changed, as_lz4, sizeof(changed));
		put(changed + 4, block_bytes[i], 4);
		struct elf_file file = make_image(changed, sizeof(changed), 8);
		if (unpacker_find(changed, sizeof(changed))->unpack)
			expect_refused(&file, EXIT_USAGE, "damaged");
		else
			elf_file_finish(&file);
	}
}
END_TEST

START_TEST(an_image_that_cannot_be_unpacked_says_why)
{
	static const uint8_t bzip2[] = "BZh9", unknown[] = "????????";
	struct elf_file file = make_image(bzip2, sizeof(bzip2), 100);

	expect_refused(&file, EXIT_USAGE, "bzip2");
	file = make_image(unknown, sizeof(unknown), 100);
	expect_refused(&file, EXIT_USAGE, "something unknown");
	file = make_image(unknown, 0, 100);
	expect_refused(&file, EXIT_USAGE, "empty");
	file = make_image(unknown, sizeof(unknown), 100);
	file.nr_bytes--;
	expect_refused(&file, EXIT_USAGE, "beyond the end");
	file = make_image(unknown, sizeof(unknown), 100);
	put(file.bytes + 0x248, 0xfffffff0, 4);
	expect_refused(&file, EXIT_USAGE, "beyond the end");
	file = make_image(unknown, sizeof(unknown), 100);
	file.nr_bytes = 0x24f;
	expect_refused(&file, EXIT_USAGE, "within its setup header");
	file = make_image(unknown, sizeof(unknown), 100);
	put(file.bytes + 0x206, 0x0207, 2);
	expect_refused(&file, EXIT_USAGE, "older than 2.08");
}
END_TEST

START_TEST(a_size_that_no_kernel_has_is_not_believed)
{
	static const uint32_t sizes[] = { 0, ELF_FILE_MAX_BYTES + 1, UINT32_MAX };

	for (unsigned i = 0; i < COUNT_OF(sizes); i++) {
		struct elf_file file = make_image(as_gzip, sizeof(as_gzip), sizes[i]);

		if (unpacker_find(as_gzip, sizeof(as_gzip))->unpack)
			expect_refused(&file, EXIT_USAGE, "when unpacked");
		else
			elf_file_finish(&file);
	}
}
END_TEST

#define TESTS(X)                                            \
	X(only_a_boot_sector_with_its_header_is_an_image)   \
	X(a_kernel_is_put_in_the_place_of_its_image)        \
	X(a_kernel_of_another_size_or_in_pieces_is_damaged) \
	X(a_block_of_lz4_that_leads_nowhere_is_damaged)     \
	X(an_image_that_cannot_be_unpacked_says_why)        \
	X(a_size_that_no_kernel_has_is_not_believed)

UNIT_SUITE(bzimage, TESTS)
