/* SPDX-License-Identifier: MIT */
/* Gathers what the guests counted, and checks it. */
#ifndef VMM_GATHER_H
#define VMM_GATHER_H

#include "vmm/machine/machine.h"
#include "vmm/report/result.h"

/*
 * Fills in what the stopped machine's guests and vCPUs counted. 0, or -1 with an
 * error if there is not enough memory; result_finish() frees what it holds.
 */
int gather_results(const struct machine *m, struct run_result *result, struct error *err);
void result_finish(struct run_result *result);

#endif
