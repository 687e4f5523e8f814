/* SPDX-License-Identifier: MIT */
/* The report of a sweep: one HTML file that opens anywhere, offline and without scripts. */
#ifndef SWEEP_REPORT_HTML_H
#define SWEEP_REPORT_HTML_H

#include "vmm/sweep/report/charts.h"
#include "vmm/sweep/results/results.h"

/* The text of the page, charts inside, to be freed; NULL if there is no memory. */
char *report_make_html(const char *dir, const struct results *r, const struct charts *charts);

#endif
