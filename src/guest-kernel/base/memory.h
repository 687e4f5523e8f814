/* SPDX-License-Identifier: MIT */
/* Physical memory: pages handed out from what the VMM left free, never taken back. */
#ifndef GUEST_MEMORY_H
#define GUEST_MEMORY_H

#include <stdint.h>

#include "minivmm/abi.h"
#include "minivmm/x86.h"

void memory_init(const struct mv_boot_info *boot);

/*
 * Returns consecutive zeroed pages, whose address is their guest-physical address as well. Ends
 * the run with a message if there are not so many left. For start-up only: vCPU 0 calls it.
 */
void *memory_take_pages(uint64_t nr_pages);

static inline void *memory_take_page(void)
{
	return memory_take_pages(1);
}

#endif
