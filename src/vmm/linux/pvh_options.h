/* SPDX-License-Identifier: MIT */
/* What the options of a run mean to a guest that starts by PVH and leads itself. Pure. */
#ifndef VMM_PVH_OPTIONS_H
#define VMM_PVH_OPTIONS_H

#include "vmm/cli/options.h"

/*
 * Refuses what such a guest cannot follow, and settles what goes without saying: one kind of
 * shootdown, which decides whether PV_TLB_FLUSH is offered; memory and time enough for a
 * kernel. `interactive`: somebody sits at the guest's console, and ends it at will. Options
 * of a schedule are all "given", so none is refused. 0, or -1 with EXIT_USAGE.
 */
int pvh_options_settle(struct options *o, bool interactive, struct error *err);

#endif
