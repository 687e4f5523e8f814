/* SPDX-License-Identifier: MIT */
/*
 * A result in words and figures: a table for people, JSON for programs.
 *
 * Both are made from the same three things and show the same figures. Each
 * mechanism after the first is compared with the first.
 */
#ifndef VMM_REPORT_H
#define VMM_REPORT_H

#include <stdio.h>

#include "vcpu/base/error.h"
#include "vmm/cli/options.h"
#include "vmm/host/host_info.h"
#include "vmm/report/result.h"

struct report {
	const struct options *options;
	const struct host_info *host;
	const struct run_result *result;
};

/* "pass", "fail", "inconclusive" or "interrupted". */
const char *report_verdict_name(enum verdict verdict);

/* One mechanism's figure over another's; NAN if the other is 0. */
double report_ratio(double of, double to);

/* Quantiles of a histogram in millionths, as mv_hist_quantile() takes them. */
#define PPM_P50	 500000
#define PPM_P90	 900000
#define PPM_P99	 990000
#define PPM_P999 999000

/*
 * Prints the table, or with --quiet the verdict alone, and flushes. Returns 0, or
 * -1 with EXIT_HOST if not all of it could be written.
 */
int report_print_text(FILE *out, const struct report *report, struct error *err);

/*
 * The whole result as JSON, schema minivmm.run/1, as docs/json-schema.md describes
 * it. To be freed; NULL if there is no memory for it.
 */
char *report_make_json(const struct report *report);

#endif
