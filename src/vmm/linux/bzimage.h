/* SPDX-License-Identifier: MIT */
/*
 * A bzImage, as distributions ship kernels (vmlinuz): the ELF file in it is unpacked.
 *
 * Linux, Documentation/arch/x86/boot.rst: the setup header, payload_offset and
 * payload_length, since version 2.08 of the protocol.
 */
#ifndef VMM_BZIMAGE_H
#define VMM_BZIMAGE_H

#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vmm/guest/elf_file.h"

/* Whether the file says that it is one. */
bool bzimage_is(const struct elf_file *file);

/* Puts the kernel's ELF file in the place of a bzImage. 0, or -1 with EXIT_USAGE, or with
 * EXIT_HOST if there is no memory or this build lacks the library; the file is as it was. */
int bzimage_unpack(struct elf_file *file, struct error *err);

#endif
