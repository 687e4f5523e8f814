/* SPDX-License-Identifier: MIT */
/* The report of a sweep as a page: the answer first, then charts, tables and the manifest. */
#include "vmm/sweep/report/report_html.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/human.h"
#include "vmm/sweep/plan/folder.h"
#include "vmm/sweep/report/page_parts.h"
#include "vmm/sweep/results/format.h"

/* The page that is being written. */
struct page {
	FILE *out;
	const char *dir;
	const struct results *r;
	const struct charts *charts;
	const struct preset *preset; /* or NULL */
	unsigned family_cells;	     /* cells in each family */
};

/* ---- text -------------------------------------------------------------------- */

static void print_escaped(FILE *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '<':
			fputs("&lt;", out);
			break;
		case '>':
			fputs("&gt;", out);
			break;
		case '&':
			fputs("&amp;", out);
			break;
		case '"':
			fputs("&quot;", out);
			break;
		default:
			fputc(*text, out);
		}
	}
}

static const char *mechanism_of(const struct page *p, unsigned m)
{
	return sweep_mechanism(p->r->options, m);
}

static void print_interval(FILE *out, const struct interval *i, enum quantity quantity)
{
	struct figure_text range = format_range(i, quantity);

	fprintf(out, "<td>%s", format_number(i->median, quantity).text);
	if (range.text[0])
		fprintf(out, "<small>%s</small>", range.text);
	fputs("</td>", out);
}

static void print_mechanism(const struct page *p, unsigned m)
{
	fprintf(p->out,
		"<td class=\"name\"><span class=\"swatch\" style=\"background:var(--c%u)\"></span>",
		m);
	print_escaped(p->out, mechanism_of(p, m));
	fputs("</td>", p->out);
}

/* ---- head -------------------------------------------------------------------- */

/* Elements are found by the way in which gnuplot writes their colours: those of lines are
 * padded to three digits, those of text are not. */
static void print_colour_rules(FILE *out, unsigned colour)
{
	const unsigned char *c = chart_colours[colour].print;
	static const char *const property[] = { "stroke", "fill", "color" };

	for (unsigned i = 0; i < sizeof(property) / sizeof(property[0]); i++)
		fprintf(out,
			"figure [%s=\"rgb(%3u, %3u, %3u)\"], figure [%s=\"rgb(%u,%u,%u)\"] "
			"{ %s: var(--c%u); }\n",
			property[i], c[0], c[1], c[2], property[i], c[0], c[1], c[2], property[i],
			colour);
}

static void print_colours(FILE *out)
{
	fputs(":root {", out);
	for (unsigned i = 0; i < NR_CHART_COLOURS; i++) {
		const unsigned char *c = chart_colours[i].print;
		fprintf(out, " --c%u: #%02x%02x%02x;", i, c[0], c[1], c[2]);
	}
	fputs(" }\n@media (prefers-color-scheme: dark) { :root {", out);
	for (unsigned i = 0; i < NR_CHART_COLOURS; i++)
		fprintf(out, " --c%u: %s;", i, chart_colours[i].on_dark);
	fputs(" } }\n", out);
	for (unsigned i = 0; i < NR_CHART_COLOURS; i++)
		print_colour_rules(out, i);
}

static const char *page_title(const struct page *p)
{
	return p->preset ? "The published experiment, repeated" : "TLB shootdown under overcommit";
}

static void print_head(const struct page *p)
{
	fprintf(p->out,
		"<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
		"<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
		"<link rel=\"icon\" href=\"data:,\">\n"
		"<title>%s</title>\n<style>\n%s",
		page_title(p), REPORT_CSS);
	print_colours(p->out);
	fputs("</style>\n</head>\n<body>\n", p->out);
}

static void print_host_line(const struct page *p)
{
	json_object *host = json_object_array_get_idx(p->r->hosts, 0);
	size_t nr = json_object_array_length(p->r->hosts);

	if (!host)
		return;
	fputs("<p class=\"lead\">", p->out);
	print_escaped(p->out, json_get_text(host, "cpu_model"));
	fputs(", ", p->out);
	print_escaped(p->out, json_get_text(host, "kernel"));
	fputs(", ", p->out);
	print_escaped(p->out, json_get_text(json_get(host, "kvm"), "module"));
	fprintf(p->out, ", %u pCPU%s", p->r->options->matrix.nr_pcpus,
		p->r->options->matrix.nr_pcpus == 1 ? "" : "s");
	if (nr > 1)
		fprintf(p->out, ", and %zu more host%s", nr - 1, nr > 2 ? "s" : "");
	fputs("</p>\n", p->out);
}

/* ---- tiles: the answer first ------------------------------------------------- */

static void print_tile(FILE *out, const char *title, const char *value, const char *remark)
{
	fprintf(out, "<div class=\"tile\"><dt>%s</dt><dd>%s<small>%s</small></dd></div>\n", title,
		value, remark);
}

/* The valid cell in which the last mechanism's speedup is greatest, or -1. */
static int best_cell(const struct results *r)
{
	unsigned last = r->options->nr_mechanisms - 1;
	double best = -1;
	int cell = -1;

	for (unsigned c = 0; c < r->plan->nr_cells; c++) {
		double speedup = r->cell[c].mechanism[last].figure[FIGURE_speedup].median;

		if (speedup > best) {
			best = speedup;
			cell = (int)c;
		}
	}
	return cell;
}

static void print_speedup_tile(const struct page *p)
{
	const struct results *r = p->r;
	unsigned last = r->options->nr_mechanisms - 1;
	int best = best_cell(r);
	char title[2 * PARSE_WORD_BYTES + 64], value[80], remark[160];

	if (last == 0 || best < 0)
		return;
	const struct interval *speedup = &r->cell[best].mechanism[last].figure[FIGURE_speedup];
	snprintf(title, sizeof(title), "Largest speedup, %s : %s", mechanism_of(p, last),
		 mechanism_of(p, 0));
	snprintf(value, sizeof(value), "%s&times;",
		 format_number(speedup->median, QUANTITY_RATIO).text);
	snprintf(remark, sizeof(remark), "%s, at %s", format_range(speedup, QUANTITY_RATIO).text,
		 cell_overcommit_label(&r->plan->cell[best]).text);
	print_tile(p->out, title, value, remark[0] == ',' ? remark + 2 : remark);
}

static void print_kept_tile(const struct page *p)
{
	const struct results *r = p->r;
	unsigned last = r->options->nr_mechanisms - 1, cell = p->family_cells - 1;
	const struct interval *keep = &r->cell[cell].mechanism[last].figure[FIGURE_keep];
	char title[PARSE_WORD_BYTES + 64], remark[160];

	if (cell == 0 || keep->nr == 0)
		return;
	snprintf(title, sizeof(title), "Throughput kept by %s at %s", mechanism_of(p, last),
		 cell_overcommit_label(&r->plan->cell[cell]).text);
	snprintf(remark, sizeof(remark), "%s",
		 keep->nr > 1 ? format_range(keep, QUANTITY_SHARE).text : "one repeat");
	print_tile(p->out, title, format_number(keep->median, QUANTITY_SHARE).text, remark);
}

static void print_oracle_tile(const struct page *p)
{
	double checked = 0, stale = 0;
	char value[64], remark[96];

	for (unsigned c = 0; c < p->r->plan->nr_cells; c++) {
		for (unsigned m = 0; m < p->r->options->nr_mechanisms; m++) {
			checked += p->r->cell[c].mechanism[m].oracle_reads;
			stale += p->r->cell[c].mechanism[m].stale_reads;
		}
	}
	snprintf(value, sizeof(value), "<span class=\"%s\">%s</span>", stale > 0 ? "bad" : "good",
		 human_count((uint64_t)stale).text);
	snprintf(remark, sizeof(remark), "of %s translations checked",
		 human_count((uint64_t)checked).text);
	print_tile(p->out, "Stale translations read", value, remark);
}

static void print_disturbance_tile(const struct page *p)
{
	struct interval share = results_disturbance(p->r);

	if (share.nr > 0)
		print_tile(p->out, "Time on pCPUs that other work took",
			   format_number(share.median, QUANTITY_SHARE).text,
			   "median of the runs; 0 on a quiet machine");
}

static void print_runs_tile(const struct page *p)
{
	const struct results *r = p->r;
	char value[64], remark[96];

	snprintf(value, sizeof(value), "%u of %u", r->nr_valid, r->nr_finished);
	if (r->nr_finished == r->nr_planned)
		snprintf(remark, sizeof(remark), "%u cells, %u repeat%s, complete",
			 r->plan->nr_cells, r->options->repeats,
			 r->options->repeats == 1 ? "" : "s");
	else
		snprintf(remark, sizeof(remark),
			 "<span class=\"bad\">%u of %u runs are missing</span>",
			 r->nr_planned - r->nr_finished, r->nr_planned);
	print_tile(p->out, "Runs that are valid", value, remark);
}

static void print_header(const struct page *p)
{
	fprintf(p->out, "<header>\n<p class=\"kicker\">minivmm sweep</p>\n<h1>%s</h1>\n",
		page_title(p));
	print_host_line(p);
	fputs("<dl class=\"tiles\">\n", p->out);
	print_speedup_tile(p);
	print_kept_tile(p);
	print_oracle_tile(p);
	print_runs_tile(p);
	print_disturbance_tile(p);
	fputs("</dl>\n</header>\n", p->out);
}

/* ---- the published table beside ours ----------------------------------------- */

/* The cell of the first family with so many VMs and as many vCPUs as pCPUs, or -1. */
static int find_cell(const struct page *p, unsigned vms)
{
	for (unsigned c = 0; c < p->family_cells; c++) {
		if (p->r->plan->cell[c].vms == vms && p->r->plan->cell[c].vcpus_per_pcpu == 1)
			return (int)c;
	}
	return -1;
}

static int find_mechanism(const struct page *p, enum mechanism_id mechanism)
{
	for (unsigned m = 0; m < p->r->options->nr_mechanisms; m++) {
		if (p->r->options->mechanism[m] == mechanism)
			return (int)m;
	}
	return -1;
}

static void print_ours(const struct page *p, unsigned vms, enum mechanism_id mechanism,
		       enum figure figure, enum quantity quantity)
{
	static const struct interval none = { .median = NAN, .low = NAN, .high = NAN };
	int cell = find_cell(p, vms), m = find_mechanism(p, mechanism);

	print_interval(p->out,
		       cell < 0 || m < 0 ? &none : &p->r->cell[cell].mechanism[m].figure[figure],
		       quantity);
}

static void print_theirs(FILE *out, double value, enum quantity quantity)
{
	fprintf(out, "<td>%s</td>", format_number(value, quantity).text);
}

static void print_published_row(const struct page *p, const struct published_row *row)
{
	const struct published_row *base = &p->preset->row[0];

	fprintf(p->out, "<tr><th>%u VM%s</th>", row->vms, row->vms == 1 ? "" : "s");
	print_theirs(p->out, row->by_ipi, QUANTITY_RATE);
	print_ours(p, row->vms, MECHANISM_ipi, FIGURE_throughput_per_s, QUANTITY_RATE);
	print_theirs(p->out, row->by_pv, QUANTITY_RATE);
	print_ours(p, row->vms, MECHANISM_pv, FIGURE_throughput_per_s, QUANTITY_RATE);
	print_theirs(p->out, row->by_pv / row->by_ipi, QUANTITY_RATIO);
	print_ours(p, row->vms, MECHANISM_pv, FIGURE_speedup, QUANTITY_RATIO);
	print_theirs(p->out, row->by_pv / base->by_pv, QUANTITY_RATIO);
	print_ours(p, row->vms, MECHANISM_pv, FIGURE_keep, QUANTITY_RATIO);
	fputs("</tr>\n", p->out);
}

static void print_published(const struct page *p)
{
	const struct preset *preset = p->preset;

	if (!preset)
		return;
	fprintf(p->out,
		"<section>\n<h2>Published and here</h2>\n<p>Published: %s. Measured on: %s. "
		"The machines differ, so compare the ratios, not the rates. %s</p>\n"
		"<div class=\"scroll\"><table id=\"published\">\n<thead><tr><th></th>"
		"<th>ipi<small>published, %s</small></th><th>ipi<small>here</small></th>"
		"<th>pv<small>published, %s</small></th><th>pv<small>here</small></th>"
		"<th>pv : ipi<small>published</small></th><th>pv : ipi<small>here</small></th>"
		"<th>pv kept<small>published</small></th><th>pv kept<small>here</small></th>"
		"</tr></thead>\n<tbody>\n",
		preset->source, preset->machine, preset->remark, preset->unit, preset->unit);
	for (unsigned i = 0; i < preset->nr_rows; i++)
		print_published_row(p, &preset->row[i]);
	fputs("</tbody></table></div>\n</section>\n", p->out);
}

/* ---- charts ------------------------------------------------------------------ */

/* What gnuplot drew, without its heading: the page gives the drawing a name of its own. */
static void print_svg(const struct page *p, const struct chart *chart)
{
	struct folder_path path = folder_path(p->dir, "charts/%s.svg", chart->name);
	struct error err;
	char *text = NULL;

	if (file_read_text(path.text, &text, &err))
		return;
	const char *body = strstr(text, "</desc>");
	if (body)
		fprintf(p->out, "<svg role=\"img\" aria-label=\"%s\" viewBox=\"0 0 %u %u\">%s",
			chart_title(chart->kind), chart->width, chart->height,
			body + strlen("</desc>"));
	free(text);
}

static void print_chart(const struct page *p, const struct chart *chart)
{
	bool wide = chart->kind == CHART_LATENCY || chart->kind == CHART_DEFERRALS;

	fprintf(p->out, "<figure%s>\n<h3>%s</h3>\n", wide ? " class=\"wide\"" : "",
		chart_title(chart->kind));
	print_svg(p, chart);
	fprintf(p->out,
		"<figcaption>%s <a href=\"charts/%s.svg\">SVG</a></figcaption>\n</figure>\n",
		chart_caption(chart->kind), chart->name);
}

static void print_charts(const struct page *p, unsigned family)
{
	if (p->charts->missing[0])
		return;
	fputs("<div class=\"charts\">\n", p->out);
	for (unsigned i = 0; i < p->charts->nr; i++) {
		if (p->charts->chart[i].family == family)
			print_chart(p, &p->charts->chart[i]);
	}
	fputs("</div>\n", p->out);
}

/* ---- tables -------------------------------------------------------------- */

struct column {
	enum figure figure;
	enum quantity quantity;
	const char *title, *remark;
};

static const struct column main_columns[] = {
	{ FIGURE_throughput_per_s, QUANTITY_RATE, "throughput", "per second" },
	{ FIGURE_keep, QUANTITY_RATIO, "kept", "of 1:1" },
	{ FIGURE_speedup, QUANTITY_RATIO, "speedup", "over the first" },
	{ FIGURE_latency_p50_ns, QUANTITY_TIME_NS, "p50", "latency" },
	{ FIGURE_latency_p99_ns, QUANTITY_TIME_NS, "p99", "latency" },
	{ FIGURE_latency_p999_ns, QUANTITY_TIME_NS, "p99.9", "latency" },
	{ FIGURE_preempted_share, QUANTITY_SHARE, "preempted", "of targets" },
};

static const struct column tail_columns[] = {
	{ FIGURE_latency_net_p99_ns, QUANTITY_TIME_NS, "net p99", "latency" },
	{ FIGURE_latency_net_p999_ns, QUANTITY_TIME_NS, "net p99.9", "latency" },
	{ FIGURE_net_p99_over_first_at_1to1, QUANTITY_RATIO, "net p99", "over first at 1:1" },
	{ FIGURE_net_p999_over_first_at_1to1, QUANTITY_RATIO, "net p99.9", "over first at 1:1" },
	{ FIGURE_p999_over_first_at_1to1, QUANTITY_RATIO, "p99.9", "over first at 1:1" },
	{ FIGURE_deferred_share, QUANTITY_SHARE, "deferred", "of targets" },
	{ FIGURE_raced_share, QUANTITY_SHARE, "raced", "of targets" },
	{ FIGURE_spurious_share, QUANTITY_SHARE, "spurious", "of targets" },
	{ FIGURE_sender_descheduled_share, QUANTITY_SHARE, "sender lost pCPU", "of shootdowns" },
};

static void print_rows(const struct page *p, unsigned cell, const struct column *columns,
		       unsigned nr)
{
	unsigned nr_mechanisms = p->r->options->nr_mechanisms;

	for (unsigned m = 0; m < nr_mechanisms; m++) {
		fprintf(p->out, "<tr%s><th>%s</th>", m + 1 < nr_mechanisms ? " class=\"more\"" : "",
			m ? "" : cell_overcommit_label(&p->r->plan->cell[cell]).text);
		print_mechanism(p, m);
		for (unsigned i = 0; i < nr; i++)
			print_interval(p->out,
				       &p->r->cell[cell].mechanism[m].figure[columns[i].figure],
				       columns[i].quantity);
		fputs("</tr>\n", p->out);
	}
}

static void print_invalid_row(const struct page *p, unsigned cell, unsigned nr_columns)
{
	const struct cell_result *result = &p->r->cell[cell];

	fprintf(p->out, "<tr><th>%s</th><td class=\"wrap\" colspan=\"%u\">",
		cell_overcommit_label(&p->r->plan->cell[cell]).text, nr_columns + 1);
	if (result->nr_finished)
		fputs("<span class=\"bad\">invalid</span>, see below", p->out);
	else
		fputs("not run yet", p->out);
	fputs("</td></tr>\n", p->out);
}

static void print_table(const struct page *p, unsigned family, const char *caption,
			const struct column *columns, unsigned nr)
{
	fprintf(p->out,
		"<div class=\"scroll\"><table>\n<caption>%s</caption>\n"
		"<thead><tr><th></th><th></th>",
		caption);
	for (unsigned i = 0; i < nr; i++)
		fprintf(p->out, "<th>%s<small>%s</small></th>", columns[i].title,
			columns[i].remark);
	fputs("</tr></thead>\n<tbody>\n", p->out);
	for (unsigned i = 0; i < p->family_cells; i++) {
		unsigned cell = family * p->family_cells + i;

		if (p->r->cell[cell].nr_valid)
			print_rows(p, cell, columns, nr);
		else
			print_invalid_row(p, cell, nr);
	}
	fputs("</tbody></table></div>\n", p->out);
}

static void print_family(const struct page *p, unsigned family)
{
	const struct cell *cell = &p->r->plan->cell[family * p->family_cells];
	struct family_label label = cell_family_label(&p->r->options->matrix, cell);

	fputs("<section>\n<h2>", p->out);
	print_escaped(p->out, label.text[0] ? label.text : "Results");
	fputs("</h2>\n", p->out);
	print_charts(p, family);
	print_table(p, family, "Medians over the repeats; below each, its 95% interval.",
		    main_columns, sizeof(main_columns) / sizeof(main_columns[0]));
	print_table(p, family,
		    "The tail, net of the initiator's own descheduled time, and what became of the "
		    "targets.",
		    tail_columns, sizeof(tail_columns) / sizeof(tail_columns[0]));
	fputs("</section>\n", p->out);
}

/* ---- what does not count, and on what it was measured ------------------------ */

static void print_invalid_run(const struct page *p, unsigned repeat, unsigned v)
{
	const struct run_record *record = results_record(p->r, repeat, v);
	const struct cell *cell = &p->r->plan->cell[p->r->plan->visit[v].cell];

	fprintf(p->out, "<tr><td>%s</td><td class=\"wrap\">", cell_overcommit_label(cell).text);
	print_escaped(p->out, cell_family_label(&p->r->options->matrix, cell).text);
	fprintf(p->out, "</td><td>%u</td><td class=\"wrap bad\">", repeat + 1);
	print_escaped(p->out, record->verdict);
	fputs("</td><td class=\"wrap\">", p->out);
	print_escaped(p->out, record->reason);
	fputs("</td></tr>\n", p->out);
}

static void print_invalid_runs(const struct page *p)
{
	if (p->r->nr_valid == p->r->nr_finished)
		return;
	fputs("<section>\n<h2>Runs that do not count</h2>\n<div class=\"scroll\"><table "
	      "id=\"invalid\">\n<thead><tr><th>cell</th><th class=\"name\"></th><th>repeat</th>"
	      "<th class=\"name\">verdict</th><th "
	      "class=\"name\">reason</th></tr></thead>\n<tbody>\n",
	      p->out);
	for (unsigned repeat = 0; repeat < p->r->options->repeats; repeat++) {
		for (unsigned v = 0; v < p->r->plan->nr_visits; v++) {
			const struct run_record *record = results_record(p->r, repeat, v);

			if (record->finished && !record->valid)
				print_invalid_run(p, repeat, v);
		}
	}
	fputs("</tbody></table></div>\n</section>\n", p->out);
}

static void print_manifest_row(FILE *out, const char *name, const char *value)
{
	fprintf(out, "<tr><td>%s</td><td class=\"wrap\">", name);
	print_escaped(out, value);
	fputs("</td></tr>\n", out);
}

static void print_host(const struct page *p, json_object *host)
{
	json_object *kvm = json_get(host, "kvm");

	print_manifest_row(p->out, "Processor", json_get_text(host, "cpu_model"));
	print_manifest_row(p->out, "Kernel", json_get_text(host, "kernel"));
	print_manifest_row(p->out, "KVM", json_get_text(kvm, "module"));
	print_manifest_row(p->out, "Runs under", json_get_text(host, "hypervisor"));
	print_manifest_row(p->out, "Memory",
			   human_size(json_get_u64(host, "mem_total_bytes")).text);
}

static void print_command(const struct page *p)
{
	json_object *arguments = json_get(p->r->manifest, "arguments");

	fputs("<pre>minivmm sweep", p->out);
	for (size_t i = 0; i < json_object_array_length(arguments); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(arguments, i));

		if (strcmp(word, "--") == 0)
			fputs(" GUEST.ELF", p->out);
		fputc(' ', p->out);
		print_escaped(p->out, word);
	}
	fputs("</pre>\n", p->out);
}

static void print_manifest(const struct page *p)
{
	json_object *guest = json_get(p->r->manifest, "guest");

	fputs("<section>\n<h2>What was run, and where</h2>\n", p->out);
	print_command(p);
	fputs("<div class=\"scroll\"><table>\n<tbody>\n", p->out);
	print_manifest_row(p->out, "minivmm", json_get_text(p->r->manifest, "minivmm_version"));
	print_manifest_row(p->out, "Guest", json_get_text(guest, "path"));
	print_manifest_row(p->out, "SHA-256", json_get_text(guest, "sha256"));
	for (size_t i = 0; i < json_object_array_length(p->r->hosts); i++)
		print_host(p, json_object_array_get_idx(p->r->hosts, i));
	fputs("</tbody></table></div>\n</section>\n", p->out);
}

static void print_page(const struct page *p)
{
	print_head(p);
	print_header(p);
	print_published(p);
	if (p->charts->missing[0]) {
		fputs("<p class=\"bad\">No charts: ", p->out);
		print_escaped(p->out, p->charts->missing);
		fputs(".</p>\n", p->out);
	}
	for (unsigned f = 0; f < p->r->plan->nr_families; f++)
		print_family(p, f);
	print_invalid_runs(p);
	fputs(METHOD_HTML, p->out);
	print_manifest(p);
	fprintf(p->out,
		"<footer>Made by minivmm %s. Charts by gnuplot.</footer>\n</body>\n</html>\n",
		json_get_text(p->r->manifest, "minivmm_version"));
}

char *report_make_html(const char *dir, const struct results *r, const struct charts *charts)
{
	char *text = NULL;
	size_t size = 0;
	struct page p = {
		.out = open_memstream(&text, &size),
		.dir = dir,
		.r = r,
		.charts = charts,
		.preset = r->options->preset,
		.family_cells = r->plan->nr_cells / r->plan->nr_families,
	};

	if (!p.out)
		return NULL;
	print_page(&p);
	if (fclose(p.out) == 0)
		return text;
	free(text);
	return NULL;
}
