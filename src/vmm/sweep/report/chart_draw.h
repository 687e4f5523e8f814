/* SPDX-License-Identifier: MIT */
/* One chart: the script for gnuplot and the data that it draws. */
#ifndef SWEEP_CHART_DRAW_H
#define SWEEP_CHART_DRAW_H

#include <stdio.h>

#include "vmm/sweep/report/charts.h"

/* A chart that is being written. */
struct draft {
	const struct results *r;
	const struct chart *chart;
	unsigned first_cell; /* of the family */
	unsigned nr_cells;
	FILE *script;
	FILE *data;
	unsigned nr_blocks; /* of data so far: gnuplot's "index" */
};

/* Writes script and data. Errors stay in the streams. */
void chart_draw(struct draft *d);

/* Charts with a panel for each cell of a family show so many of them, in rows. */
#define CHART_PANELS_MAX   6
#define CHART_PANELS_A_ROW 3

static inline unsigned chart_nr_panels(unsigned nr_cells)
{
	return nr_cells < CHART_PANELS_MAX ? nr_cells : CHART_PANELS_MAX;
}

static inline unsigned chart_panel_rows(unsigned nr_cells)
{
	return (chart_nr_panels(nr_cells) + CHART_PANELS_A_ROW - 1) / CHART_PANELS_A_ROW;
}

static inline unsigned chart_panel_columns(unsigned nr_cells)
{
	return nr_cells < CHART_PANELS_A_ROW ? nr_cells : CHART_PANELS_A_ROW;
}

#endif
