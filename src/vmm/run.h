/* SPDX-License-Identifier: MIT */
/* `minivmm GUEST.ELF`: one run from the command line to the report. */
#ifndef VMM_RUN_H
#define VMM_RUN_H

#include "options.h"

/* Carries out a run, prints what came of it, and returns the exit status. */
int run_guest(const struct options *options);

#endif
