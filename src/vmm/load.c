/* SPDX-License-Identifier: MIT */
/* Everything that a run's VMs are loaded with, read and checked before one is built. */
#include "vmm/load.h"

#include "minivmm/x86.h"
#include "vmm/linux/bzimage.h"
#include "vmm/linux/pvh_options.h"
#include "vmm/linux/terminal.h"

/* A kernel keeps page tables and the like right behind its image before it knows its memory. */
#define KERNELS_ROOM_BYTES (8ull << 20)

/* How a guest starts decides the default of --mem, so that it is found out first, within the most
 * memory that there can be. */
static bool starts_by_pvh(const struct elf_file *file)
{
	struct elf_image image;
	struct error ignored; /* the second parsing reports it */

	return elf_image_parse(file, MV_MEM_MAX_BYTES, &image, &ignored) == 0 &&
	       image.start == ELF_START_PVH;
}

static int lay_out(const struct options *o, struct vm_layout *ret_layout, struct error *err)
{
	if (vm_layout_init(ret_layout, o->mem_bytes, o->nr_vcpus, o->nr_mechanisms, err))
		return -1;
	if (o->trace_path)
		vm_layout_add_trace(ret_layout, o->nr_vcpus);
	return 0;
}

/* At the end of the guest's memory, out of the way of a kernel that grows. */
static int load_initrd(const struct options *o, struct guest_image *image, struct error *err)
{
	uint64_t limit_gpa = image->layout.reserved_gpa;
	uint64_t least_gpa = image->elf.end_gpa + KERNELS_ROOM_BYTES;

	if (!o->initrd_path)
		return 0;
	if (elf_file_read_initrd(&image->initrd, o->initrd_path, err))
		return -1;
	if (least_gpa > limit_gpa || image->initrd.nr_bytes > limit_gpa - least_gpa)
		return error_set(err, EXIT_USAGE,
				 "initrd '%s': its %zu bytes do not fit between the kernel, which "
				 "ends at 0x%jx, and the end of memory: give more --mem",
				 o->initrd_path, image->initrd.nr_bytes,
				 (uintmax_t)image->elf.end_gpa);
	image->initrd_gpa = (limit_gpa - image->initrd.nr_bytes) & ~(PAGE_BYTES - 1ull);
	return 0;
}

/* What only a guest that starts by PVH has a use for, or can read. */
static int check_abi_guest(const struct options *o, struct error *err)
{
	if (o->free_word)
		return error_set(err, EXIT_USAGE,
				 "guest argument '%s' is not KEY=VALUE without blanks",
				 o->free_word);
	if (!o->initrd_path && !o->strict_io)
		return 0;
	return error_set(err, EXIT_USAGE,
			 "guest '%s' does not start by PVH: --%s has no effect on it",
			 o->guest_path, o->initrd_path ? "initrd" : "strict-io");
}

int load_guest(struct options *o, struct elf_file *file, struct guest_image *ret_image,
	       struct error *err)
{
	if (elf_file_read(file, o->guest_path, err))
		return -1;
	if (bzimage_is(file) && bzimage_unpack(file, err))
		return -1;
	bool by_pvh = starts_by_pvh(file);
	bool interactive = o->nr_vms == 1 && terminal_is_there();
	if (by_pvh && pvh_options_settle(o, interactive, err))
		return -1;
	ret_image->file = file;
	if (lay_out(o, &ret_image->layout, err) ||
	    elf_image_parse(file, ret_image->layout.reserved_gpa, &ret_image->elf, err))
		return -1;
	return by_pvh ? load_initrd(o, ret_image, err) : check_abi_guest(o, err);
}

void finish_guest(struct elf_file *file, struct guest_image *image)
{
	elf_file_finish(file);
	elf_file_finish(&image->initrd);
}
