/* SPDX-License-Identifier: MIT */
/* Everything that is made from the finished runs: results, charts, report, summary. */
#ifndef SWEEP_OUTPUTS_H
#define SWEEP_OUTPUTS_H

#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vmm/sweep/results/results.h"

/*
 * Writes results.json, results.csv, charts/ and report.html into the folder, and prints
 * a summary unless `quiet`. Without gnuplot the report has no charts, and says so.
 * Returns 0, or -1 with an error.
 */
int outputs_make(const char *dir, const struct results *r, bool quiet, struct error *err);

/* The exit status that results stand for: passed, failed, or inconclusive. */
enum exit_status outputs_status(const struct results *r);

#endif
