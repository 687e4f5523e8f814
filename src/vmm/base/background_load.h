/* SPDX-License-Identifier: MIT */
/* What --background asks for. */
#ifndef VMM_BACKGROUND_LOAD_H
#define VMM_BACKGROUND_LOAD_H

#include <stdbool.h>

#define BACKGROUND_MAX 64
#define NICE_MIN       (-20) /* setpriority(2) */
#define NICE_MAX       19

struct background_load {
	unsigned per_cpu; /* busy threads on each pCPU's host CPU; 0: none at all */
	bool has_nice;	  /* if not, they are as nice as minivmm is */
	int nice;	  /* NICE_MIN to NICE_MAX */
};

#endif
