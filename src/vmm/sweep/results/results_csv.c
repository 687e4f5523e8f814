/* SPDX-License-Identifier: MIT */
/* results.csv: a row for each run and mechanism, a column for each thing known of it. */
#include "vmm/sweep/results/results.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* RFC 4180: what holds a comma, a quote or a line break is quoted, and quotes doubled. */
static void print_text(FILE *out, const char *text)
{
	if (!text[strcspn(text, ",\"\r\n")]) {
		fputs(text, out);
		return;
	}
	fputc('"', out);
	for (; *text; text++)
		fprintf(out, *text == '"' ? "\"\"" : "%c", *text);
	fputc('"', out);
}

/* What is no number is an empty field. */
static void print_number(FILE *out, double value)
{
	fputc(',', out);
	if (isfinite(value))
		fprintf(out, "%.9g", value);
}

static void print_header(FILE *out, const struct results *r)
{
	const struct matrix *m = &r->options->matrix;

	fputs("cell,block,repeat,valid,verdict,reason,host,elapsed_ns,host_took_share,vms,vcpus_"
	      "per_pcpu,vcpus,"
	      "pcpus,overcommit",
	      out);
	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		fputc(',', out);
		print_text(out, m->dimension[i].name);
	}
	fputs(",mechanism", out);
	for (unsigned i = 0; i < NR_METRICS; i++)
		fprintf(out, ",%s", metric_name[i]);
	fputs(",keep,speedup\n", out);
}

static void print_cell(FILE *out, const struct results *r, const struct cell *cell)
{
	const struct matrix *m = &r->options->matrix;

	fprintf(out, ",%u,%u,%u,%u,%u", cell->vms, cell->vcpus_per_pcpu,
		cell->vcpus_per_pcpu * m->nr_pcpus, m->nr_pcpus, cell_overcommit(cell));
	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		fputc(',', out);
		print_text(out, cell_value(m, cell, i));
	}
}

static void print_run(FILE *out, const struct results *r, unsigned repeat, unsigned v)
{
	const struct run_record *record = results_record(r, repeat, v);

	fprintf(out, "%u,%u,%u,%s,%s,", r->plan->visit[v].cell, r->plan->visit[v].block, repeat,
		record->valid ? "true" : "false", record->verdict);
	print_text(out, record->reason);
	print_number(out, record->host < 0 ? NAN : record->host);
	fprintf(out, ",%" PRIu64, record->elapsed_ns);
	print_number(out, record->host_took_share);
}

static void print_row(FILE *out, const struct results *r, unsigned repeat, unsigned v,
		      unsigned mechanism)
{
	const struct run_record *record = results_record(r, repeat, v);
	struct sample_context c = results_context(r, repeat, v, mechanism);

	print_run(out, r, repeat, v);
	print_cell(out, r, &r->plan->cell[r->plan->visit[v].cell]);
	fputc(',', out);
	print_text(out, sweep_mechanism(r->options, mechanism));
	for (unsigned i = 0; i < NR_METRICS; i++)
		print_number(out, record->sample[mechanism].metric[i]);
	print_number(out, figure_of(FIGURE_keep, &c));
	print_number(out, figure_of(FIGURE_speedup, &c));
	fputc('\n', out);
}

char *results_make_csv(const struct results *r)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	print_header(out, r);
	for (unsigned repeat = 0; repeat < r->options->repeats; repeat++) {
		for (unsigned v = 0; v < r->plan->nr_visits; v++) {
			if (!results_record(r, repeat, v)->finished)
				continue;
			for (unsigned m = 0; m < r->options->nr_mechanisms; m++)
				print_row(out, r, repeat, v, m);
		}
	}
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
