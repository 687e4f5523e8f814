/* SPDX-License-Identifier: MIT */
/* The guests' result blocks. Their contents are the guests' word: nothing here checks it. */
#ifndef VMM_RESULTS_BLOCK_H
#define VMM_RESULTS_BLOCK_H

#include "vmm/machine/machine.h"

const struct mv_results *results_block(const struct vm *vm);

/* Whether it is signed, and made for the vCPUs and mechanisms that there are. */
bool results_block_is_valid(const struct machine *m, const struct vm *vm);

/* What a vCPU, numbered through all VMs, counted under a mechanism. */
const struct mv_result *results_block_entry(const struct machine *m, unsigned vcpu,
					    unsigned mechanism);

/* What all vCPUs have counted under a mechanism so far; the guests may still be running. */
struct so_far {
	uint64_t shootdowns;
	uint64_t oracle_reads;
};
struct so_far results_block_so_far(const struct machine *m, unsigned mechanism);

#endif
