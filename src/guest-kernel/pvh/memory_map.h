/* SPDX-License-Identifier: MIT */
/* Memory as the VMM says it is: mapped, and the part found that nobody uses. */
#ifndef GUEST_PVH_MEMORY_MAP_H
#define GUEST_PVH_MEMORY_MAP_H

#include <stdint.h>

#include "minivmm/pvh.h"

/* Maps 4 GiB one to one, accessible from ring 3, as minivmm does it; devices uncached. */
void memory_map_all(void);

/* Finds out what is free and says so in pvh_boot. Ends the run if the VMM does not tell. */
void memory_map_lay_out(const struct pvh_start_info *info);

/* Zeroed pages from the top of free memory down, no longer free. Ends the run without them. */
uint64_t memory_map_take(uint64_t bytes);

#endif
