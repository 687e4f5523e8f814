/* SPDX-License-Identifier: MIT */
/* How much memory a run takes: the guests' and the VMM's own. */
#ifndef VMM_MEMORY_USE_H
#define VMM_MEMORY_USE_H

#include "vmm/machine/machine.h"

/* What memory_use_read() reads once the sandbox lets nobody open files; -1: nothing. */
int memory_use_open(void);

/*
 * Measures what is resident now: pages of guest memory, of all VMs, and the rest of
 * this process. What cannot be learned is 0.
 */
void memory_use_read(const struct machine *m, int statm_fd, uint64_t *ret_guest_bytes,
		     uint64_t *ret_vmm_bytes);

#endif
