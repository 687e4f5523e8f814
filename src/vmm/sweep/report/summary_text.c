/* SPDX-License-Identifier: MIT */
/* The end of a sweep on the terminal. */
#include "vmm/sweep/report/summary_text.h"

#include "vmm/sweep/results/format.h"

#define LABEL_WIDTH  14
#define COLUMN_WIDTH 28

static void print_column(FILE *out, const char *text)
{
	fprintf(out, "%*s", COLUMN_WIDTH, text);
}

static void print_heading(FILE *out, const struct results *r, const struct cell *cell)
{
	const struct sweep_options *o = r->options;
	char text[2 * PARSE_WORD_BYTES + 8];

	struct family_label label = cell_family_label(&r->options->matrix, cell);

	fprintf(out, "\n%s%s%-*s", label.text, label.text[0] ? "\n" : "", LABEL_WIDTH, "");
	for (unsigned m = 0; m < o->nr_mechanisms; m++) {
		snprintf(text, sizeof(text), "%s kept", sweep_mechanism(o, m));
		print_column(out, text);
	}
	for (unsigned m = 1; m < o->nr_mechanisms; m++) {
		snprintf(text, sizeof(text), "%s : %s", sweep_mechanism(o, m),
			 sweep_mechanism(o, 0));
		print_column(out, text);
	}
	fputc('\n', out);
}

static void print_figure(FILE *out, const struct results *r, unsigned cell, unsigned mechanism,
			 enum figure figure)
{
	const struct interval *i = &r->cell[cell].mechanism[mechanism].figure[figure];

	print_column(out, format_interval(i, QUANTITY_RATIO).text);
}

static void print_cell(FILE *out, const struct results *r, unsigned cell)
{
	const struct cell_result *result = &r->cell[cell];

	fprintf(out, "  %-*s", LABEL_WIDTH - 2, cell_overcommit_label(&r->plan->cell[cell]).text);
	if (result->failed)
		fputs("  INVALID: a run failed, see report.html", out);
	else if (result->nr_valid == 0)
		fputs(result->nr_finished ? "  INVALID: no run counts, see report.html"
					  : "  not run yet",
		      out);
	for (unsigned m = 0; result->nr_valid && m < r->options->nr_mechanisms; m++)
		print_figure(out, r, cell, m, FIGURE_keep);
	for (unsigned m = 1; result->nr_valid && m < r->options->nr_mechanisms; m++)
		print_figure(out, r, cell, m, FIGURE_speedup);
	fputc('\n', out);
}

void summary_print(FILE *out, const struct results *r)
{
	for (unsigned c = 0; c < r->plan->nr_cells; c++) {
		if (c == 0 || r->plan->cell[c].family != r->plan->cell[c - 1].family)
			print_heading(out, r, &r->plan->cell[c]);
		print_cell(out, r, c);
	}
	fprintf(out,
		"\n%u of %u runs, %u of them valid; medians of ratios between neighbours, "
		"with 95%% intervals\n",
		r->nr_finished, r->nr_planned, r->nr_valid);
}
