/* SPDX-License-Identifier: MIT */
/* `minivmm GUEST.ELF`: one run from the command line to the report. */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "vmm/cli/options.h"
#include "vmm/replay/schedule_file.h"

/*
 * Carries out a run, which repeats `schedule` if it is not NULL, prints what came of it,
 * and returns the exit status.
 */
int run_guest(const struct options *options, const struct schedule_file *schedule);

#endif
