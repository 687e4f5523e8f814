/* SPDX-License-Identifier: MIT */
/* Judges a run by how it ended and by what its guests counted. */
#ifndef VMM_VERDICT_H
#define VMM_VERDICT_H

#include "vmm/machine/conductor.h"
#include "vmm/machine/machine.h"
#include "vmm/report/result.h"

/* The verdict on a run that ended so, with the reason for anything but a pass. */
void judge(const struct machine *m, const struct conduct_result *conducted,
	   struct run_result *result);

/* The exit status that goes with it. */
int result_exit_status(const struct run_result *result);

#endif
