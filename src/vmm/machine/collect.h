/* SPDX-License-Identifier: MIT */
/* Gathers what the guests counted, checks it, and judges the run. */
#ifndef VMM_COLLECT_H
#define VMM_COLLECT_H

#include "vmm/machine/conductor.h"
#include "vmm/machine/machine.h"
#include "vmm/report/result.h"

/* What all vCPUs have counted under a mechanism so far; the guests may still be running. */
struct so_far {
	uint64_t shootdowns;
	uint64_t oracle_reads;
};
struct so_far collect_so_far(const struct machine *m, unsigned mechanism);

/*
 * Fills in what the stopped machine's guests and vCPUs counted. 0, or -1 with an
 * error if there is not enough memory; result_finish() frees what it holds.
 */
int collect_results(const struct machine *m, struct run_result *result, struct error *err);
void result_finish(struct run_result *result);

/* The verdict on a run that ended so, with the reason for anything but a pass. */
void judge(const struct machine *m, const struct conduct_result *conducted,
	   struct run_result *result);

/* The exit status that goes with it. */
int result_exit_status(const struct run_result *result);

#endif
