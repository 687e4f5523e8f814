/* SPDX-License-Identifier: MIT */
/* The charts of a sweep: which there are, their files, and gnuplot. */
#include "vmm/sweep/report/charts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/sweep/plan/folder.h"
#include "vmm/sweep/report/chart_draw.h"
#include "vmm/sweep/report/gnuplot.h"

#define WIDTH	     400
#define HEIGHT	     320
#define PANEL_WIDTH  370
#define PANEL_HEIGHT 310

static const struct {
	const char *file, *title, *caption;
} kinds[NR_CHART_KINDS] = {
	[CHART_KEEP] = { "kept", "Throughput kept",
			 "Throughput relative to the 1:1 case of the same mechanism, measured next "
			 "to it. 1 means that overcommit costs nothing." },
	[CHART_SPEEDUP] = { "speedup", "Speedup over the first mechanism",
			    "Throughput over that of the first mechanism, alternated with it in "
			    "the "
			    "same run." },
	[CHART_LATENCY] = { "latency", "How long a shootdown takes",
			    "The share of shootdowns that took longer than a time, both on "
			    "logarithmic scales. Dashed: net of the time in which the initiator "
			    "itself had lost its pCPU." },
	[CHART_PREEMPTED] = { "preempted", "Targets preempted at send",
			      "The share of targets that had no pCPU when the initiator first "
			      "looked: the most that any paravirtual mechanism can win." },
	[CHART_DEFERRALS] = { "deferrals", "Deferred, raced, spurious",
			      "Of all targets, in percent: flushes left to the host; attempts to "
			      "leave one that lost the race against the vCPU's return; and IPIs "
			      "whose flush was deferred after they had been sent." },
};

const char *chart_title(enum chart_kind kind)
{
	return kinds[kind].title;
}

const char *chart_caption(enum chart_kind kind)
{
	return kinds[kind].caption;
}

/* ---- files ------------------------------------------------------------------- */

static int write_chart(const char *dir, const struct results *r, const struct chart *chart,
		       struct error *err)
{
	unsigned nr_cells = r->plan->nr_cells / r->plan->nr_families;
	struct folder_path script = folder_path(dir, "charts/%s.gp", chart->name);
	struct folder_path data = folder_path(dir, "charts/%s.dat", chart->name);
	struct draft d = {
		.r = r,
		.chart = chart,
		.first_cell = chart->family * nr_cells,
		.nr_cells = nr_cells,
		.script = fopen(script.text, "we"),
		.data = fopen(data.text, "we"),
	};
	int failed = !d.script || !d.data;

	if (!failed)
		chart_draw(&d);
	if (d.script)
		failed |= fclose(d.script);
	if (d.data)
		failed |= fclose(d.data);
	return failed ? error_set_errno(err, EXIT_HOST, errno, "'%s' cannot be written",
					script.text)
		      : 0;
}

static void size_chart(struct chart *chart, unsigned nr_cells)
{
	chart->width = WIDTH;
	chart->height = HEIGHT;
	if (chart->kind == CHART_LATENCY) {
		chart->width = chart_panel_columns(nr_cells) * PANEL_WIDTH;
		chart->height = chart_panel_rows(nr_cells) * PANEL_HEIGHT;
	} else if (chart->kind == CHART_DEFERRALS) {
		chart->width = CHART_PANELS_A_ROW * PANEL_WIDTH;
		chart->height = PANEL_HEIGHT;
	}
}

static bool family_has_results(const struct results *r, unsigned family)
{
	unsigned nr_cells = r->plan->nr_cells / r->plan->nr_families;

	for (unsigned i = 0; i < nr_cells; i++) {
		if (r->cell[family * nr_cells + i].nr_valid)
			return true;
	}
	return false;
}

/* A family with one cell has nothing to be compared with but itself. */
static bool is_worth_drawing(const struct results *r, enum chart_kind kind)
{
	if (kind == CHART_KEEP)
		return r->plan->nr_cells > r->plan->nr_families;
	return kind != CHART_SPEEDUP || r->options->nr_mechanisms > 1;
}

static void list_charts(const struct results *r, struct charts *charts)
{
	for (unsigned f = 0; f < r->plan->nr_families; f++) {
		for (unsigned k = 0; k < NR_CHART_KINDS; k++) {
			struct chart *chart = &charts->chart[charts->nr];

			if (!family_has_results(r, f) || !is_worth_drawing(r, (enum chart_kind)k))
				continue;
			*chart = (struct chart){ .kind = (enum chart_kind)k, .family = f };
			size_chart(chart, r->plan->nr_cells / r->plan->nr_families);
			if (r->plan->nr_families == 1)
				snprintf(chart->name, sizeof(chart->name), "%s", kinds[k].file);
			else
				snprintf(chart->name, sizeof(chart->name), "%s-%u", kinds[k].file,
					 f + 1);
			charts->nr++;
		}
	}
}

/* ---- gnuplot ----------------------------------------------------------------- */

/* One gnuplot draws them all. */
static int draw_all(const char *dir, struct charts *charts, struct error *err)
{
	struct folder_path folder = folder_path(dir, "charts");
	char **argv = calloc(charts->nr + 2, sizeof(*argv));
	char(*script)[64] = calloc(charts->nr, sizeof(*script));
	int failed = argv && script ? 0
				    : error_set(err, EXIT_HOST, "not enough memory for the charts");

	if (!failed) {
		argv[0] = (char *)"gnuplot";
		for (unsigned i = 0; i < charts->nr; i++) {
			snprintf(script[i], sizeof(script[i]), "%s.gp", charts->chart[i].name);
			argv[1 + i] = script[i];
		}
		gnuplot_run(folder.text, argv, charts->missing, sizeof(charts->missing));
	}
	free(argv);
	free(script);
	return failed;
}

int charts_make(const char *dir, const struct results *r, struct charts *ret_charts,
		struct error *err)
{
	struct charts charts = { 0 };
	int failed = 0;

	charts.chart = calloc((size_t)r->plan->nr_families * NR_CHART_KINDS, sizeof(*charts.chart));
	if (!charts.chart)
		return error_set(err, EXIT_HOST, "not enough memory for the charts");
	list_charts(r, &charts);
	for (unsigned i = 0; i < charts.nr && !failed; i++)
		failed = write_chart(dir, r, &charts.chart[i], err);
	if (!failed && charts.nr)
		failed = draw_all(dir, &charts, err);
	if (failed) {
		charts_finish(&charts);
		return -1;
	}
	*ret_charts = charts;
	return 0;
}

void charts_finish(struct charts *charts)
{
	free(charts->chart);
	*charts = (struct charts){ 0 };
}
