/* SPDX-License-Identifier: MIT */
/* Medians and their bootstrap confidence intervals. Pure: the same input, the same output. */
#ifndef SWEEP_STATS_H
#define SWEEP_STATS_H

#include <stdint.h>

/* A median and the interval that holds it with a confidence of 95%. */
struct interval {
	unsigned nr; /* values behind it; 0: the rest is NAN */
	double median;
	double low;
	double high;
};

/* How many resamples an interval is made of. */
#define BOOTSTRAP_RESAMPLES 2000

/* The middle of the values, or the mean of the two in the middle; NAN if there are
 * none. Sorts the values. */
double stats_median(double *values, unsigned nr);

/*
 * The value below which a share of sorted values lies, interpolated linearly between
 * neighbours (Hyndman and Fan 1996, definition 7); NAN if there are none.
 */
double stats_quantile(const double *sorted, unsigned nr, double share);

/*
 * The median of the values and its percentile bootstrap interval (Efron 1979): the
 * values are drawn again with replacement, and the interval is what the middle 95% of
 * the medians of such draws span. One value has the interval [value, value]: nothing
 * is known about its spread. Values that are no numbers are left out.
 */
struct interval stats_interval(const double *values, unsigned nr, uint64_t seed);

#endif
