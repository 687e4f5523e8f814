/* SPDX-License-Identifier: MIT */
/* Unpacks what a kernel image is compressed with, as far as the libraries are there. */
#include "vmm/linux/unpack.h"

#include <string.h>

#include "vmm/linux/unpack_libraries.h"

#ifdef HAVE_ZLIB
#include <zlib.h>
#endif
#ifdef HAVE_LZMA
#include <lzma.h>
#endif
#ifdef HAVE_LZ4
#include <lz4.h>
#endif
#ifdef HAVE_ZSTD
#include <zstd.h>
#endif

/* A build without any library needs neither. */
#define DAMAGED	   "the compressed kernel in it is damaged"
#define WRONG_SIZE "its kernel unpacks to another size than it says"

#ifdef HAVE_ZLIB
#define GZIP_WINDOW (15 + 16) /* the largest window, and a header of gzip */

static const char *unpack_gzip(const uint8_t *packed, size_t nr_packed, uint8_t *bytes,
			       size_t nr_bytes)
{
	z_stream z = {
		.next_in = (uint8_t *)packed,
		.avail_in = (unsigned)nr_packed,
		.next_out = bytes,
		.avail_out = (unsigned)nr_bytes,
	};

	if (inflateInit2(&z, GZIP_WINDOW) != Z_OK)
		return "there is not enough memory to unpack its kernel";
	int result = inflate(&z, Z_FINISH);
	size_t got = z.total_out;
	inflateEnd(&z);
	if (result != Z_STREAM_END)
		return got == nr_bytes ? WRONG_SIZE : DAMAGED;
	return got == nr_bytes ? NULL : WRONG_SIZE;
}
#endif

#ifdef HAVE_LZMA
#define XZ_MEMORY_BYTES (256u << 20)

static const char *unpack_xz(const uint8_t *packed, size_t nr_packed, uint8_t *bytes,
			     size_t nr_bytes)
{
	uint64_t memory = XZ_MEMORY_BYTES;
	size_t in = 0, out = 0;
	lzma_ret result = lzma_stream_buffer_decode(&memory, 0, NULL, packed, &in, nr_packed, bytes,
						    &out, nr_bytes);

	if (result != LZMA_OK)
		return result == LZMA_BUF_ERROR && out == nr_bytes ? WRONG_SIZE : DAMAGED;
	return out == nr_bytes ? NULL : WRONG_SIZE;
}
#endif

#ifdef HAVE_LZ4
#define LZ4_BLOCK_BYTES (8u << 20) /* of all blocks but the last, unpacked */

/*
 * The legacy frame that `lz4 -l` writes: the magic number, then blocks, each behind its
 * size in 32 bits. A magic number in the place of a size begins a further frame.
 */
static const char *unpack_lz4(const uint8_t *packed, size_t nr_packed, uint8_t *bytes,
			      size_t nr_bytes)
{
	size_t at = 4, out = 0;
	uint32_t magic, size;

	memcpy(&magic, packed, sizeof(magic));
	while (nr_packed - at >= sizeof(size)) {
		memcpy(&size, packed + at, sizeof(size));
		at += sizeof(size);
		if (size == magic)
			continue;
		if (size == 0 || size > nr_packed - at || size > INT32_MAX)
			return DAMAGED;
		size_t room = nr_bytes - out < LZ4_BLOCK_BYTES ? nr_bytes - out : LZ4_BLOCK_BYTES;
		int got = LZ4_decompress_safe((const char *)packed + at, (char *)bytes + out,
					      (int)size, (int)room);
		if (got < 0)
			return out + room == nr_bytes ? WRONG_SIZE : DAMAGED;
		out += (size_t)got;
		at += size;
	}
	return out == nr_bytes ? NULL : WRONG_SIZE;
}
#endif

#ifdef HAVE_ZSTD
static const char *unpack_zstd(const uint8_t *packed, size_t nr_packed, uint8_t *bytes,
			       size_t nr_bytes)
{
	size_t got = ZSTD_decompress(bytes, nr_bytes, packed, nr_packed);

	if (ZSTD_isError(got))
		return DAMAGED;
	return got == nr_bytes ? NULL : WRONG_SIZE;
}
#endif

/* Those whose library this build has not: NULL. */
#ifndef HAVE_ZLIB
#define unpack_gzip NULL
#endif
#ifndef HAVE_LZMA
#define unpack_xz NULL
#endif
#ifndef HAVE_LZ4
#define unpack_lz4 NULL
#endif
#ifndef HAVE_ZSTD
#define unpack_zstd NULL
#endif

static const struct unpacker unpackers[] = {
	{ "gzip", "zlib1g-dev", { 0x1f, 0x8b }, 2, unpack_gzip },
	{ "xz", "liblzma-dev", { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, unpack_xz },
	{ "lz4", "liblz4-dev", { 0x02, 0x21, 0x4c, 0x18 }, 4, unpack_lz4 },
	{ "zstd", "libzstd-dev", { 0x28, 0xb5, 0x2f, 0xfd }, 4, unpack_zstd },
	{ "bzip2", NULL, { 'B', 'Z', 'h' }, 3, NULL },
	{ "lzma", NULL, { 0x5d, 0, 0 }, 3, NULL },
	{ "lzo", NULL, { 0x89, 'L', 'Z', 'O' }, 4, NULL },
};

const struct unpacker *unpacker_find(const uint8_t *packed, size_t nr_packed)
{
	for (unsigned i = 0; i < sizeof(unpackers) / sizeof(unpackers[0]); i++) {
		const struct unpacker *u = &unpackers[i];

		if (nr_packed >= u->magic_bytes && memcmp(packed, u->magic, u->magic_bytes) == 0)
			return u;
	}
	return NULL;
}
