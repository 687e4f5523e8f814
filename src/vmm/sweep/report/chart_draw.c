/* SPDX-License-Identifier: MIT */
/* What each chart shows, as a script for gnuplot and its data. */
#include "vmm/sweep/report/chart_draw.h"

#include <math.h>
#include <stdbool.h>

/* Colours that differ in lightness too, so that they survive a grey print. */
const struct chart_colour chart_colours[NR_CHART_COLOURS] = {
	{ { 194, 65, 12 }, "#fb923c" },	  { { 29, 78, 216 }, "#7aa8ff" },
	{ { 13, 148, 136 }, "#2dd4bf" },  { { 147, 51, 234 }, "#c99bff" },
	{ { 161, 98, 7 }, "#facc15" },	  { { 219, 39, 119 }, "#f687bd" },
	{ { 77, 124, 15 }, "#a3e635" },	  { { 71, 85, 105 }, "#a5b4c8" },
	{ { 55, 65, 81 }, "#c9ced6" },	  { { 156, 163, 175 }, "#5b6472" },
	{ { 229, 231, 235 }, "#2b313b" },
};

enum { COLOUR_TEXT = MV_MAX_MECHANISMS, COLOUR_LINE, COLOUR_FAINT };

/* ---- what a script is made of ------------------------------------------------ */

static const char *mechanism_of(const struct draft *d, unsigned m)
{
	return sweep_mechanism(d->r->options, m);
}

static void print_colour(FILE *out, unsigned colour)
{
	const unsigned char *c = chart_colours[colour].print;

	fprintf(out, "rgb '#%02x%02x%02x'", c[0], c[1], c[2]);
}

static void print_colour_command(FILE *out, const char *command, unsigned colour)
{
	fprintf(out, "%s ", command);
	print_colour(out, colour);
	fputc('\n', out);
}

static void print_prologue(const struct draft *d)
{
	FILE *out = d->script;

	fprintf(out,
		"# Run `gnuplot %s.gp` in this folder to draw %s.svg again.\n"
		"reset\n"
		"set terminal svg size %u,%u dynamic noenhanced rounded font 'Helvetica,13'\n"
		"set encoding utf8\n"
		"set output '%s.svg'\n"
		"set border 3\n"
		"set bars 0.6\n"
		"set key top left horizontal outside Left reverse samplen 1.6 width 1\n",
		d->chart->name, d->chart->name, d->chart->width, d->chart->height, d->chart->name);
	print_colour_command(out, "set border lw 0.8 lc", COLOUR_LINE);
	print_colour_command(out, "set tics nomirror out scale 0.4 textcolor", COLOUR_TEXT);
	print_colour_command(out, "set key textcolor", COLOUR_TEXT);
	print_colour_command(out, "set xlabel textcolor", COLOUR_TEXT);
	print_colour_command(out, "set ylabel textcolor", COLOUR_TEXT);
	print_colour_command(out, "set title textcolor", COLOUR_TEXT);
	print_colour_command(out, "set grid ytics back lt 1 lw 0.8 lc", COLOUR_FAINT);
}

/* The overcommits of the family, one after the other. */
static void print_categories(const struct draft *d)
{
	fprintf(d->script, "set xrange [-0.4:%u.4]\nset xtics (", d->nr_cells - 1);
	for (unsigned i = 0; i < d->nr_cells; i++)
		fprintf(d->script, "%s'%s' %u", i ? ", " : "",
			cell_overcommit_label(&d->r->plan->cell[d->first_cell + i]).text, i);
	fputs(")\n", d->script);
}

/* ---- points with their intervals --------------------------------------------- */

static const struct interval *figure_at(const struct draft *d, unsigned i, unsigned m,
					enum figure figure)
{
	return &d->r->cell[d->first_cell + i].mechanism[m].figure[figure];
}

/* Moves the points of a mechanism aside, so that they do not hide one another's. */
static double aside(const struct draft *d, unsigned m, double step)
{
	return (m - (d->r->options->nr_mechanisms - 1) / 2.0) * step;
}

/* Gnuplot does not count a block without data. */
static void end_block(struct draft *d, unsigned nr_lines)
{
	if (nr_lines == 0)
		return;
	fputs("\n\n", d->data);
	d->nr_blocks++;
}

/* Lines of "x median low high overcommit"; returns how many there are. */
static unsigned write_points(struct draft *d, unsigned m, enum figure figure, double scale,
			     double step)
{
	unsigned nr = 0;

	fprintf(d->data, "# %s %s: x median low high overcommit\n", mechanism_of(d, m),
		figure_name[figure]);
	for (unsigned i = 0; i < d->nr_cells; i++) {
		const struct interval *v = figure_at(d, i, m, figure);

		if (v->nr == 0)
			continue;
		fprintf(d->data, "%g %.9g %.9g %.9g \"%s\"\n", i + aside(d, m, step),
			scale * v->median, scale * v->low, scale * v->high,
			cell_overcommit_label(&d->r->plan->cell[d->first_cell + i]).text);
		nr++;
	}
	end_block(d, nr);
	return nr;
}

static void plot_word(struct draft *d, bool *first)
{
	fputs(*first ? "plot " : ", \\\n     ", d->script);
	*first = false;
}

/* Plots the block that was just written. `columns` and `style` are gnuplot's. */
static void plot_block(struct draft *d, unsigned m, const char *columns, const char *remark,
		       const char *style, bool *first)
{
	plot_word(d, first);
	fprintf(d->script, "'%s.dat' index %u using %s title '%s%s' with %s lc ", d->chart->name,
		d->nr_blocks - 1, columns, mechanism_of(d, m), remark, style);
	print_colour(d->script, m);
}

/* A line for each mechanism from `from` on. */
static void plot_figure(struct draft *d, enum figure figure, double scale, unsigned from,
			bool *first)
{
	for (unsigned m = from; m < d->r->options->nr_mechanisms; m++) {
		if (write_points(d, m, figure, scale, 0.03))
			plot_block(d, m, "1:2:3:4", "", "yerrorlines lw 1.8 pt 7 ps 0.55", first);
	}
}

/* The published value of a figure for a mechanism, or NAN. */
static double published(const struct preset *preset, const struct cell *cell,
			enum mechanism_id mechanism, enum figure figure)
{
	bool is_pv = mechanism == MECHANISM_pv;
	const struct published_row *base = &preset->row[0];

	if (cell->vcpus_per_pcpu != 1 || (!is_pv && mechanism != MECHANISM_ipi))
		return NAN;
	for (unsigned i = 0; i < preset->nr_rows; i++) {
		const struct published_row *row = &preset->row[i];

		if (row->vms != cell->vms)
			continue;
		if (figure == FIGURE_speedup)
			return is_pv ? row->by_pv / row->by_ipi : NAN;
		return is_pv ? row->by_pv / base->by_pv : row->by_ipi / base->by_ipi;
	}
	return NAN;
}

static unsigned write_published(struct draft *d, const struct preset *preset, unsigned m,
				enum figure figure)
{
	unsigned nr = 0;

	fprintf(d->data, "# %s %s, published: x value\n", mechanism_of(d, m), figure_name[figure]);
	for (unsigned i = 0; i < d->nr_cells; i++) {
		double value = published(preset, &d->r->plan->cell[d->first_cell + i],
					 d->r->options->mechanism[m], figure);

		if (!isnan(value)) {
			fprintf(d->data, "%u %.9g\n", i, value);
			nr++;
		}
	}
	end_block(d, nr);
	return nr;
}

static void plot_published(struct draft *d, enum figure figure, bool *first)
{
	const struct preset *preset = d->r->options->preset;

	for (unsigned m = 0; preset && m < d->r->options->nr_mechanisms; m++) {
		if (write_published(d, preset, m, figure))
			plot_block(d, m, "1:2", ", published",
				   "linespoints dt 3 lw 1.2 pt 6 ps 0.7", first);
	}
}

/* ---- the charts ------------------------------------------------------------- */

static void draw_ratio(struct draft *d, enum figure figure, unsigned from, const char *label)
{
	bool first = true;

	print_prologue(d);
	print_categories(d);
	fprintf(d->script, "set yrange [0:1.05<*]\nset ylabel '%s'\n", label);
	plot_word(d, &first);
	fputs("1 notitle with lines dt 2 lw 1 lc ", d->script);
	print_colour(d->script, COLOUR_LINE);
	plot_figure(d, figure, 1, from, &first);
	plot_published(d, figure, &first);
	fputc('\n', d->script);
}

static void draw_preempted(struct draft *d)
{
	unsigned nr = d->r->options->nr_mechanisms;
	double step = 0.7 / nr;
	char columns[48];
	bool first = true;

	print_prologue(d);
	print_categories(d);
	fputs("set yrange [0:1<*]\nset ylabel 'percent of targets'\n"
	      "set style fill solid 0.85 noborder\n",
	      d->script);
	print_colour_command(d->script, "set errorbars 0.4 lw 1.2 lc", COLOUR_TEXT);
	snprintf(columns, sizeof(columns), "1:2:3:4:(%g)", 0.88 * step);
	for (unsigned m = 0; m < nr; m++) {
		if (write_points(d, m, FIGURE_preempted_share, 100, step))
			plot_block(d, m, columns, "", "boxerrorbars", &first);
	}
	fputc('\n', d->script);
}

/* Panels of one size side by side, and one legend above all of them, of two columns. */
static void begin_panels(struct draft *d, unsigned rows, unsigned columns)
{
	double width = d->chart->width, height = d->chart->height;
	unsigned key_height = (d->r->options->nr_mechanisms + 1) / 2 * 18;

	fprintf(d->script,
		"set multiplot layout %u,%u margins %.4f,%.4f,%.4f,%.4f spacing %.4f,%.4f\n"
		"set key at screen 0.5,%.4f center top\n"
		"set title offset 0,-0.4\n",
		rows, columns, 78 / width, 1 - 12 / width, 32 / height,
		1 - (34 + key_height) / height, 58 / width, 66 / height, 1 - 2 / height);
}

static void end_panel(struct draft *d)
{
	fputs("\nunset key\nset ylabel ''\n", d->script);
}

static void draw_deferrals(struct draft *d)
{
	static const struct {
		enum figure figure;
		const char *title;
	} panels[] = {
		{ FIGURE_deferred_share, "deferred" },
		{ FIGURE_raced_share, "raced" },
		{ FIGURE_spurious_share, "spurious" },
	};

	print_prologue(d);
	print_categories(d);
	fputs("set yrange [0:0.01<*]\nset ylabel 'percent of targets'\n", d->script);
	begin_panels(d, 1, CHART_PANELS_A_ROW);
	for (unsigned i = 0; i < sizeof(panels) / sizeof(panels[0]); i++) {
		bool first = true;

		fprintf(d->script, "set title '%s'\n", panels[i].title);
		plot_figure(d, panels[i].figure, 100, 0, &first);
		end_panel(d);
	}
	fputs("unset multiplot\n", d->script);
}

/* ---- latency: one panel for each overcommit ---------------------------------- */

/* Lines of "microseconds share": how many samples are above the end of each bucket. */
static void write_distribution(struct draft *d, const char *what, const struct mv_hist *h)
{
	uint64_t above = h->count;

	fprintf(d->data, "# %s: us share_above\n", what);
	for (uint32_t i = 0; i < MV_HIST_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		fprintf(d->data, "%.6g %.6g\n", (double)mv_hist_bucket_low(i) / 1000,
			(double)above / (double)h->count);
		above -= h->bucket[i];
	}
	end_block(d, 1);
}

static void plot_distribution(struct draft *d, unsigned m, bool is_net, const struct mv_hist *h,
			      bool *first)
{
	char what[PARSE_WORD_BYTES + 8];

	if (h->count == 0)
		return;
	snprintf(what, sizeof(what), "%s%s", mechanism_of(d, m), is_net ? " net" : "");
	write_distribution(d, what, h);
	plot_word(d, first);
	fprintf(d->script, "'%s.dat' index %u using 1:2 title '%s' with steps lw %s lc ",
		d->chart->name, d->nr_blocks - 1, is_net ? "" : what, is_net ? "1.2 dt 2" : "1.8");
	print_colour(d->script, m);
}

static void draw_panel(struct draft *d, unsigned i)
{
	const struct cell_result *cell = &d->r->cell[d->first_cell + i];
	bool first = true;

	fprintf(d->script, "set title '%s'\n",
		cell_overcommit_label(&d->r->plan->cell[d->first_cell + i]).text);
	for (unsigned m = 0; m < d->r->options->nr_mechanisms; m++) {
		plot_distribution(d, m, false, &cell->mechanism[m].latency, &first);
		plot_distribution(d, m, true, &cell->mechanism[m].latency_net, &first);
	}
	if (first) /* keep its place in the grid */
		fputs("plot NaN notitle", d->script);
	end_panel(d);
}

/* The powers of ten between which all distributions of the family lie. */
struct decades {
	int first_us, last_us, last_share;
};

static void widen(struct decades *range, const struct mv_hist *h)
{
	uint32_t first = 0, last = MV_HIST_BUCKETS - 1;

	if (h->count == 0)
		return;
	while (h->bucket[first] == 0)
		first++;
	while (h->bucket[last] == 0)
		last--;
	int from = (int)floor(log10((double)mv_hist_bucket_low(first ? first : 1) / 1000));
	int to = (int)ceil(log10((double)mv_hist_bucket_high(last) / 1000));
	int share = (int)floor(-log10((double)h->count));

	range->first_us = from < range->first_us ? from : range->first_us;
	range->last_us = to > range->last_us ? to : range->last_us;
	range->last_share = share < range->last_share ? share : range->last_share;
}

static struct decades find_decades(const struct draft *d)
{
	struct decades range = { 0, 2, -2 };

	for (unsigned i = 0; i < d->nr_cells; i++) {
		const struct cell_result *cell = &d->r->cell[d->first_cell + i];

		for (unsigned m = 0; m < d->r->options->nr_mechanisms; m++) {
			widen(&range, &cell->mechanism[m].latency);
			widen(&range, &cell->mechanism[m].latency_net);
		}
	}
	return range;
}

static void draw_latency(struct draft *d)
{
	unsigned nr = chart_nr_panels(d->nr_cells);
	struct decades range = find_decades(d);

	print_prologue(d);
	fprintf(d->script,
		"set logscale xy\nset xrange [1e%d:1e%d]\nset yrange [1e%d:1]\n"
		"set xtics ('10 ns' 0.01, '100' 0.1, '1 us' 1, '10' 10, '100' 100, '1 ms' 1e3, "
		"'10' 1e4, '100' 1e5, '1 s' 1e6, '10' 1e7)\n"
		"set ytics ('all' 1, '10%%%%' 0.1, '1%%%%' 0.01, '0.1%%%%' 1e-3, '0.01%%%%' 1e-4, "
		"'1e-5' 1e-5, '1e-6' 1e-6, '1e-7' 1e-7, '1e-8' 1e-8)\n",
		range.first_us, range.last_us, range.last_share);
	print_colour_command(d->script, "set grid xtics ytics back lt 1 lw 0.8 lc", COLOUR_FAINT);
	fputs("set ylabel 'share that took longer' offset 1.5\n", d->script);
	begin_panels(d, chart_panel_rows(d->nr_cells), chart_panel_columns(d->nr_cells));
	for (unsigned i = 0; i < nr; i++) /* evenly chosen where there are too many */
		draw_panel(d, nr == d->nr_cells ? i : i * (d->nr_cells - 1) / (nr - 1));
	fputs("unset multiplot\n", d->script);
}

void chart_draw(struct draft *d)
{
	switch (d->chart->kind) {
	case CHART_KEEP:
		draw_ratio(d, FIGURE_keep, 0, "throughput, relative to 1:1");
		break;
	case CHART_SPEEDUP:
		draw_ratio(d, FIGURE_speedup, 1, "throughput, relative to the first");
		break;
	case CHART_LATENCY:
		draw_latency(d);
		break;
	case CHART_PREEMPTED:
		draw_preempted(d);
		break;
	case CHART_DEFERRALS:
		draw_deferrals(d);
		break;
	case NR_CHART_KINDS:
		break;
	}
}
