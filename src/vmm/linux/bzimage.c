/* SPDX-License-Identifier: MIT */
/* A bzImage: the ELF file in it is unpacked. */
#include "vmm/linux/bzimage.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/linux/unpack.h"

#define SETUP_SECTORS_AT     0x1f1
#define BOOT_FLAG_AT	     0x1fe
#define MAGIC_AT	     0x202
#define VERSION_AT	     0x206
#define PAYLOAD_OFFSET_AT    0x248
#define PAYLOAD_LENGTH_AT    0x24c
#define HEADER_BYTES	     0x250
#define BOOT_FLAG	     0xaa55
#define MAGIC		     0x53726448 /* "HdrS" */
#define VERSION_WITH_PAYLOAD 0x0208
#define SECTOR_BYTES	     512u
#define OLD_SETUP_SECTORS    4 /* what 0 means */
#define SIZE_BYTES	     4 /* behind the payload: its size once it is unpacked */

static uint16_t read_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] | at[1] << 8);
}

static uint32_t read_u32(const uint8_t *at)
{
	return read_u16(at) | (uint32_t)read_u16(at + 2) << 16;
}

bool bzimage_is(const struct elf_file *file)
{
	return file->nr_bytes >= MAGIC_AT + 4 &&
	       read_u16(file->bytes + BOOT_FLAG_AT) == BOOT_FLAG &&
	       read_u32(file->bytes + MAGIC_AT) == MAGIC;
}

static int bad(struct error *err, const struct elf_file *file, const char *why)
{
	return error_set(err, EXIT_USAGE, "kernel '%s': %s", file->path, why);
}

/* The compressed kernel, without the size behind it. */
struct payload {
	const uint8_t *bytes;
	size_t nr_bytes;
	size_t unpacked_bytes;
};

static int find_payload(const struct elf_file *file, struct payload *ret_payload, struct error *err)
{
	const uint8_t *b = file->bytes;

	if (file->nr_bytes < HEADER_BYTES)
		return bad(err, file, "it is truncated: it ends within its setup header");
	if (read_u16(b + VERSION_AT) < VERSION_WITH_PAYLOAD)
		return bad(err, file,
			   "its boot protocol is older than 2.08, that of Linux 2.6.26: nothing "
			   "says where the kernel is in it");
	unsigned sectors = b[SETUP_SECTORS_AT] ? b[SETUP_SECTORS_AT] : OLD_SETUP_SECTORS;
	uint64_t start = (sectors + 1) * SECTOR_BYTES + (uint64_t)read_u32(b + PAYLOAD_OFFSET_AT);
	uint64_t length = read_u32(b + PAYLOAD_LENGTH_AT);
	if (start > file->nr_bytes || length > file->nr_bytes - start)
		return bad(err, file,
			   "it is truncated: its kernel lies beyond the end of the file");
	if (length <= SIZE_BYTES)
		return bad(err, file, "there is no kernel in it: its payload is empty");
	ret_payload->bytes = b + start;
	ret_payload->nr_bytes = length - SIZE_BYTES;
	ret_payload->unpacked_bytes = read_u32(b + start + length - SIZE_BYTES);
	return 0;
}

static int find_unpacker(const struct elf_file *file, const struct payload *p,
			 const struct unpacker **ret_unpacker, struct error *err)
{
	const struct unpacker *u = unpacker_find(p->bytes, p->nr_bytes);

	if (!u)
		return bad(err, file, "its kernel is compressed with something unknown");
	if (!u->package)
		return error_set(err, EXIT_USAGE,
				 "kernel '%s': its kernel is compressed with %s, which minivmm "
				 "cannot unpack: give the vmlinux",
				 file->path, u->name);
	if (!u->unpack)
		return error_set(err, EXIT_HOST,
				 "kernel '%s': its kernel is compressed with %s, and this minivmm "
				 "was built without it: install %s, and build again with meson "
				 "setup --wipe",
				 file->path, u->name, u->package);
	*ret_unpacker = u;
	return 0;
}

int bzimage_unpack(struct elf_file *file, struct error *err)
{
	const struct unpacker *unpacker = NULL;
	struct payload p = { 0 };

	if (find_payload(file, &p, err) || find_unpacker(file, &p, &unpacker, err))
		return -1;
	if (p.unpacked_bytes == 0 || p.unpacked_bytes > ELF_FILE_MAX_BYTES)
		return error_set(err, EXIT_USAGE,
				 "kernel '%s': it says that its kernel is %zu bytes large when "
				 "unpacked: 1 to %u can be",
				 file->path, p.unpacked_bytes, ELF_FILE_MAX_BYTES);
	uint8_t *bytes = malloc(p.unpacked_bytes);
	if (!bytes)
		return error_set(err, EXIT_HOST, "kernel '%s': no memory for its %zu bytes",
				 file->path, p.unpacked_bytes);
	const char *why = unpacker->unpack(p.bytes, p.nr_bytes, bytes, p.unpacked_bytes);
	if (why) {
		free(bytes);
		return bad(err, file, why);
	}
	free(file->bytes);
	file->bytes = bytes;
	file->nr_bytes = p.unpacked_bytes;
	return 0;
}
