/* SPDX-License-Identifier: MIT */
/* What dirty tracking found and cost, over all phases with it. */
#ifndef VMM_DIRTY_COUNTS_H
#define VMM_DIRTY_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/hist.h"

struct dirty_counts {
	uint64_t tracked_ns; /* time that pages were tracked */
	uint64_t harvests;   /* times that the pages were collected */
	uint64_t pages;	     /* found dirty, summed over harvests */
	uint64_t copy_ns;    /* time spent on reading their contents, as a migration sends them */
	uint64_t ring_full_exits; /* exits because a vCPU's ring was full */
	uint64_t pages_checked;	  /* compared with what was harvested, at the ends of phases */
	uint64_t pages_lost;	  /* of those: written, and in no harvest since */
	unsigned lost_vm;	  /* of the first of these */
	uint64_t lost_gpa;	  /* likewise */
	struct mv_hist harvest;	  /* ns from asking KVM until writes are tracked anew */
};

#endif
