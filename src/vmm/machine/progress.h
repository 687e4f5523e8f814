/* SPDX-License-Identifier: MIT */
/* A line that shows how far a run is, on a terminal only. */
#ifndef VMM_PROGRESS_H
#define VMM_PROGRESS_H

#include "vmm/machine/conductor.h"

/* progress_show if the user looks at a terminal and did not ask for --quiet; else NULL. */
conduct_progress *progress_wanted(const struct options *options);

/* Takes the line away, if there is one. */
void progress_clear(const struct options *options);

#endif
