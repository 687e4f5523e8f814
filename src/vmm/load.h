/* SPDX-License-Identifier: MIT */
/* Everything that a run's VMs are loaded with, read and checked before one is built. */
#ifndef VMM_LOAD_H
#define VMM_LOAD_H

#include "vmm/cli/options.h"
#include "vmm/machine/machine.h"

/*
 * Reads the guest, and what goes with it, into `file` and `ret_image`, which finish_guest()
 * frees in any case; both begin empty. For a guest that starts by PVH the options are settled
 * (pvh_options.h). 0, or -1 with an error.
 */
int load_guest(struct options *o, struct elf_file *file, struct guest_image *ret_image,
	       struct error *err);
void finish_guest(struct elf_file *file, struct guest_image *image);

#endif
