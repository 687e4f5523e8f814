/* SPDX-License-Identifier: MIT */
/* The end of a sweep on the terminal: what was kept, and the speedup, with intervals. */
#ifndef SWEEP_SUMMARY_TEXT_H
#define SWEEP_SUMMARY_TEXT_H

#include <stdio.h>

#include "vmm/sweep/results/results.h"

void summary_print(FILE *out, const struct results *r);

#endif
