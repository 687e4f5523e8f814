/* SPDX-License-Identifier: MIT */
/* A guest's file, read into memory as a whole. */
#ifndef VMM_ELF_FILE_H
#define VMM_ELF_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "vcpu/base/error.h"

/* Far more than any guest with its debugging information; stops a disk image. */
#define ELF_FILE_MAX_BYTES (256u << 20)

struct elf_file {
	const char *path; /* for messages; the caller's */
	uint8_t *bytes;
	size_t nr_bytes;
};

/*
 * Reads a regular file that is neither empty nor larger than ELF_FILE_MAX_BYTES.
 * Copied rather than mapped: a mapping would take the process down with SIGBUS
 * if somebody cut the file short meanwhile. Returns 0, or -1 with EXIT_USAGE.
 */
int elf_file_read(struct elf_file *ret_file, const char *path, struct error *err);

/* The same for a kernel's initial RAM file system, which is no ELF file. */
int elf_file_read_initrd(struct elf_file *ret_file, const char *path, struct error *err);

/* Frees the memory; for a file that was never read, or twice, does nothing. */
void elf_file_finish(struct elf_file *file);

#endif
