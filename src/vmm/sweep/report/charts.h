/* SPDX-License-Identifier: MIT */
/*
 * The charts of a sweep, drawn by gnuplot. Each is a script and its data in charts/,
 * and the SVG file that gnuplot makes of them: to use one in a paper, edit the script
 * and run `gnuplot NAME.gp` there.
 */
#ifndef SWEEP_CHARTS_H
#define SWEEP_CHARTS_H

#include "vcpu/base/error.h"
#include "vmm/sweep/results/results.h"

enum chart_kind {
	CHART_KEEP,
	CHART_SPEEDUP,
	CHART_PREEMPTED,
	CHART_LATENCY,
	CHART_DEFERRALS,
	NR_CHART_KINDS
};

struct chart {
	enum chart_kind kind;
	unsigned family;
	unsigned width, height; /* of the drawing */
	char name[48];		/* of its files, without a suffix */
};

struct charts {
	unsigned nr;
	struct chart *chart;
	char missing[256]; /* why there are none, or "" */
};

/*
 * Writes all charts of a sweep. A gnuplot that is missing or fails is told in
 * ret_charts->missing and is no error. Returns 0, or -1 with EXIT_HOST if the files
 * cannot be written.
 */
int charts_make(const char *dir, const struct results *r, struct charts *ret_charts,
		struct error *err);
void charts_finish(struct charts *charts);

/* The heading of a chart, and the sentence below it. */
const char *chart_title(enum chart_kind kind);
const char *chart_caption(enum chart_kind kind);

/*
 * The colours in the SVG files, for print, and what takes their place on a dark page.
 * Mechanism number i has chart_colours[i].
 */
struct chart_colour {
	unsigned char print[3];
	const char *on_dark;
};
#define NR_CHART_COLOURS (MV_MAX_MECHANISMS + 3) /* then text, lines, and faint lines */
extern const struct chart_colour chart_colours[NR_CHART_COLOURS];

#endif
