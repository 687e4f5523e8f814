/* SPDX-License-Identifier: MIT */
/*
 * What an ELF file asks the loader to do: checked here, done in one tiny function.
 *
 * The file is untrusted. Whatever it says is compared with the size of the file
 * and with the memory that a guest may fill before it is believed.
 */
#ifndef VMM_ELF_IMAGE_H
#define VMM_ELF_IMAGE_H

#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vcpu/base/guest_mem.h"
#include "vmm/guest/elf_file.h"

#define ELF_MAX_SEGMENTS 64

/* Bytes of the file and where they go; the rest of mem_bytes stays zero. */
struct elf_segment {
	uint64_t gpa;
	uint64_t mem_bytes; /* never 0 */
	uint64_t file_offset;
	uint64_t file_bytes; /* at most mem_bytes */
	bool executable;
};

/* How a guest wants to be started. */
enum elf_start {
	ELF_START_ABI, /* as minivmm/abi.h says, at the ELF entry point */
	ELF_START_PVH, /* as minivmm/pvh.h says: it has a PVH note and no MV_GUEST_NOTE */
};

struct elf_image {
	unsigned nr_segments; /* at least 1 */
	struct elf_segment segment[ELF_MAX_SEGMENTS];
	enum elf_start start;
	bool is_linux; /* it says so: a kernel */
	uint64_t entry_gpa; /* the one that goes with `start` */
	uint64_t end_gpa;   /* behind the last byte of the highest segment */
};

/*
 * Checks a static x86-64 executable whose segments have to lie, by physical
 * address, within [MV_IMAGE_GPA, limit_gpa). Returns 0, or -1 with EXIT_USAGE and
 * a line that names the file.
 */
int elf_image_parse(const struct elf_file *file, uint64_t limit_gpa, struct elf_image *ret_image,
		    struct error *err);

/* Copies the segments into zeroed RAM that begins at gpa 0 and reaches up to limit_gpa. */
void elf_image_load(const struct elf_image *image, const struct elf_file *file,
		    const struct guest_mem *mem);

#endif
