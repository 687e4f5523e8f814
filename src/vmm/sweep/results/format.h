/* SPDX-License-Identifier: MIT */
/* Medians with their intervals, as the tables of a sweep show them. Pure. */
#ifndef SWEEP_FORMAT_H
#define SWEEP_FORMAT_H

#include "vmm/sweep/results/stats.h"

struct figure_text {
	char text[64];
};

/* What a number counts, and so how it is written. */
enum quantity {
	QUANTITY_RATIO,	  /* "1.78" */
	QUANTITY_SHARE,	  /* "42.1%" */
	QUANTITY_RATE,	  /* "12,345" */
	QUANTITY_TIME_NS, /* "29.2 us" */
};

/* "-" for what is no number. */
struct figure_text format_number(double value, enum quantity quantity);

/* "0.85 to 0.91", "20.1 to 32.3 us"; "" where all there is is one value. */
struct figure_text format_range(const struct interval *interval, enum quantity quantity);

/* "0.88 [0.85 to 0.91]", without the brackets where there is no range. */
struct figure_text format_interval(const struct interval *interval, enum quantity quantity);

/* "1h02m", "3m10s", "42s". */
struct figure_text format_duration(double seconds);

#endif
