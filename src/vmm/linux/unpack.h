/* SPDX-License-Identifier: MIT */
/* Unpacks what a kernel image is compressed with, as far as the libraries are there. Pure. */
#ifndef VMM_UNPACK_H
#define VMM_UNPACK_H

#include <stddef.h>
#include <stdint.h>

/* A compression that a kernel can be built with (Linux, scripts/Makefile.lib). */
struct unpacker {
	const char *name;
	const char *package; /* Debian's, that a build needs for it; NULL: minivmm never can */
	uint8_t magic[6];
	unsigned magic_bytes;
	/*
	 * Unpacks [packed, packed + nr_packed) into exactly nr_bytes. Returns NULL, or what is
	 * wrong. NULL itself if this build lacks the library.
	 */
	const char *(*unpack)(const uint8_t *packed, size_t nr_packed, uint8_t *bytes,
			      size_t nr_bytes);
};

/* The one whose magic number [packed, packed + nr_packed) begins with, or NULL. */
const struct unpacker *unpacker_find(const uint8_t *packed, size_t nr_packed);

#endif
