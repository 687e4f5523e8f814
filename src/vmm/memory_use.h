/* SPDX-License-Identifier: MIT */
/* How much memory a run takes: the guests' and the VMM's own. */
#ifndef VMM_MEMORY_USE_H
#define VMM_MEMORY_USE_H

#include "machine.h"

/*
 * Measures what is resident now: pages of guest memory, of all VMs, and the rest of
 * this process. What cannot be learned is 0.
 */
void memory_use_read(const struct machine *m, uint64_t *ret_guest_bytes, uint64_t *ret_vmm_bytes);

#endif
