/* SPDX-License-Identifier: MIT */
/* `minivmm trace-stats FILE`: where the time of shootdowns went, the slowest above all. */
#include "vmm/trace/trace_stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/printing.h"
#include "vmm/base/human.h"

#define LABEL_WIDTH  54
#define COLUMN_WIDTH 14

/* ---- one shootdown -------------------------------------------------------------------- */

/* The first span that ends after a time; s->nr if there is none. */
static size_t first_span_after(const struct trace_spans *s, uint64_t ns)
{
	size_t low = 0, high = s->nr;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (s->span[middle].end_ns <= ns)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/*
 * The part of [begin_ns, end_ns) from `begin_ns` on in which a vCPU is in one state: returns
 * when that part ends, and its span, or NULL if the trace does not tell.
 */
static uint64_t next_part(const struct trace_spans *s, uint64_t begin_ns, uint64_t end_ns,
			  const struct trace_span **ret_span)
{
	size_t n = first_span_after(s, begin_ns);

	*ret_span = NULL;
	if (n == s->nr || s->span[n].begin_ns >= end_ns)
		return end_ns;
	if (s->span[n].begin_ns > begin_ns)
		return s->span[n].begin_ns;
	*ret_span = &s->span[n];
	return s->span[n].end_ns < end_ns ? s->span[n].end_ns : end_ns;
}

static enum trace_cost cost_of_target(const struct trace_span *span, uint64_t ipi_ns)
{
	if (!span)
		return COST_UNKNOWN;
	if (span->runs)
		return COST_HANDLING;
	if (!span->is_preempted)
		return COST_HALTED;
	return span->begin_ns <= ipi_ns ? COST_PREEMPTED_BEFORE : COST_PREEMPTED_AFTER;
}

/* While the initiator runs and waits, the state of its target says where the time goes. */
static void add_target(struct trace_costs *c, const struct trace_spans *target, uint64_t ipi_ns,
		       uint64_t begin_ns, uint64_t end_ns)
{
	while (begin_ns < end_ns) {
		const struct trace_span *span;
		uint64_t part_end = next_part(target, begin_ns, end_ns, &span);

		c->ns[cost_of_target(span, ipi_ns)] += part_end - begin_ns;
		begin_ns = part_end;
	}
}

/* A part of a shootdown in which it waits for a target, or for none (NULL). */
static void add_part(struct trace_costs *c, const struct trace_spans *initiator,
		     const struct trace_spans *target, uint64_t ipi_ns, uint64_t begin_ns,
		     uint64_t end_ns)
{
	while (begin_ns < end_ns) {
		const struct trace_span *span;
		uint64_t part_end = next_part(initiator, begin_ns, end_ns, &span);

		if (span && !span->runs)
			c->ns[COST_SENDER_OFF] += part_end - begin_ns;
		else if (target)
			add_target(c, target, ipi_ns, begin_ns, part_end);
		else
			c->ns[COST_SENDING] += part_end - begin_ns;
		begin_ns = part_end;
	}
}

struct trace_costs trace_cost_of(const struct trace_data *data, const struct trace_shootdown *s)
{
	const struct trace_spans *initiator = &data->spans[s->initiator];
	struct trace_costs c = { { 0 } };
	uint64_t now_ns = s->begin_ns;

	for (size_t n = 0; n < s->nr_waits; n++) {
		const struct trace_wait *w = &data->wait[s->first_wait + n];

		add_part(&c, initiator, NULL, s->ipi_ns, now_ns, w->begin_ns);
		add_part(&c, initiator, &data->spans[w->target], s->ipi_ns, w->begin_ns, w->end_ns);
		now_ns = w->end_ns;
	}
	add_part(&c, initiator, NULL, s->ipi_ns, now_ns, s->end_ns);
	return c;
}

/* ---- all of a mechanism, and its slowest ------------------------------------------------- */

/* The shootdowns of one column. */
struct group {
	uint64_t nr;
	uint64_t least_ns;
	uint64_t sum_ns;
	struct trace_costs costs;
};

static uint64_t duration(const struct trace_shootdown *s)
{
	return s->end_ns - s->begin_ns;
}

/* By mechanism, and by duration within it. */
static int compare_shootdowns(const void *left, const void *right)
{
	const struct trace_shootdown *a = left, *b = right;

	if (a->mechanism != b->mechanism)
		return a->mechanism < b->mechanism ? -1 : 1;
	return duration(a) < duration(b) ? -1 : duration(a) > duration(b);
}

static struct group sum_up(const struct trace_data *data, const struct trace_shootdown *s,
			   size_t nr)
{
	struct group g = { .nr = nr, .least_ns = nr ? duration(s) : 0 };

	for (size_t n = 0; n < nr; n++) {
		struct trace_costs c = trace_cost_of(data, &s[n]);

		g.sum_ns += duration(&s[n]);
		for (unsigned k = 0; k < NR_TRACE_COSTS; k++)
			g.costs.ns[k] += c.ns[k];
	}
	return g;
}

/* The slowest hundredth, and at least one: those above the 99th percentile. */
static size_t count_slowest(size_t nr)
{
	return nr ? (nr + 99) / 100 : 0;
}

/* ---- the table ------------------------------------------------------------ */

#define MAX_COLUMNS (2 * TRACE_MECHANISMS_MAX)

struct table {
	unsigned nr;
	struct group column[MAX_COLUMNS];
	const char *mechanism[MAX_COLUMNS];
};

static struct table make_table(struct trace_data *data)
{
	struct table t = { 0 };
	size_t first = 0;

	if (data->nr_shootdowns)
		qsort(data->shootdown, data->nr_shootdowns, sizeof(*data->shootdown),
		      compare_shootdowns);
	for (unsigned k = 0; k < data->nr_mechanisms; k++) {
		const struct trace_shootdown *s = data->shootdown + first;
		size_t nr = 0;

		while (first + nr < data->nr_shootdowns && s[nr].mechanism == k)
			nr++;
		size_t slowest = count_slowest(nr);
		t.mechanism[t.nr] = t.mechanism[t.nr + 1] = data->mechanism[k];
		t.column[t.nr++] = sum_up(data, s, nr);
		t.column[t.nr++] = sum_up(data, s + nr - slowest, slowest);
		first += nr;
	}
	return t;
}

static void print_row(FILE *out, const struct table *t, const char *label,
		      struct human (*cell)(const struct group *g, unsigned argument),
		      unsigned argument)
{
	fprintf(out, "  %-*s", LABEL_WIDTH, label);
	for (unsigned i = 0; i < t->nr; i++)
		fprintf(out, "%*s", COLUMN_WIDTH, cell(&t->column[i], argument).text);
	fputc('\n', out);
}

static struct human cell_number(const struct group *g, unsigned unused)
{
	(void)unused;
	return human_count(g->nr);
}

static struct human cell_least(const struct group *g, unsigned unused)
{
	(void)unused;
	return human_time(g->least_ns);
}

static struct human cell_mean(const struct group *g, unsigned unused)
{
	(void)unused;
	return human_time(g->nr ? g->sum_ns / g->nr : 0);
}

static struct human cell_share(const struct group *g, unsigned cost)
{
	return human_share(g->costs.ns[cost], g->sum_ns);
}

static void print_headings(FILE *out, const struct table *t)
{
	fprintf(out, "\n  %-*s", LABEL_WIDTH, "");
	for (unsigned i = 0; i < t->nr; i++)
		fprintf(out, "%*s", COLUMN_WIDTH, t->mechanism[i]);
	fprintf(out, "\n  %-*s", LABEL_WIDTH, "");
	for (unsigned i = 0; i < t->nr; i++)
		fprintf(out, "%*s", COLUMN_WIDTH, i % 2 ? "slowest 1%" : "all");
	fputc('\n', out);
}

static void print_table(FILE *out, const struct table *t)
{
	static const char *const texts[] = {
#define X(id, text) text,
		TRACE_COSTS(X)
#undef X
	};

	print_headings(out, t);
	print_row(out, t, "shootdowns", cell_number, 0);
	print_row(out, t, "the fastest of them took", cell_least, 0);
	print_row(out, t, "on average they took", cell_mean, 0);
	fputs("  of that time, waiting for\n", out);
	for (unsigned k = 0; k < NR_TRACE_COSTS; k++) {
		char label[LABEL_WIDTH + 16];

		snprintf(label, sizeof(label), "  %s", texts[k]);
		print_row(out, t, label, cell_share, k);
	}
}

void trace_stats_print(FILE *out, struct trace_data *data)
{
	const struct trace_counts *n = &data->counts;
	struct table t = make_table(data);

	fprintf(out,
		"%u VM%s of %u vCPUs: %s events recorded, %s lost, %s left out with them, "
		"%s made no sense\n",
		data->nr_vms, data->nr_vms == 1 ? "" : "s", data->nr_vcpus,
		human_count(n->recorded).text, human_count(n->lost).text, human_count(n->cut).text,
		human_count(n->invalid).text);
	if (data->nr_unfinished)
		fprintf(out, "%zu shootdowns had not ended with the trace and do not count\n",
			data->nr_unfinished);
	if (t.nr)
		print_table(out, &t);
	else
		fputs("no shootdown in it\n", out);
}

/* ---- the subcommand ------------------------------------------------------- */

static int print_stats_of(const char *path, struct error *err)
{
	struct trace_data data;
	FILE *in = fopen(path, "re");

	if (!in)
		return error_set_errno(err, EXIT_USAGE, errno, "trace '%s' cannot be read", path);
	int failed = trace_read(in, path, &data, err);
	fclose(in);
	if (failed)
		return -1;
	trace_stats_print(stdout, &data);
	trace_data_finish(&data);
	if (fflush(stdout) || ferror(stdout))
		return error_set_errno(err, EXIT_HOST, errno, "the table could not be printed");
	return 0;
}

int trace_stats_command(int argc, char *argv[])
{
	struct error err;

	if (argc == 2 && strcmp(argv[1], "--help") == 0) {
		puts("Usage: minivmm trace-stats FILE\n\n"
		     "Tells where the time of the shootdowns in a trace went (see --trace).");
		return finish_printing();
	}
	int failed = argc == 2 ? print_stats_of(argv[1], &err)
			       : error_set(&err, EXIT_USAGE,
					   "trace-stats needs one trace: minivmm trace-stats FILE");
	if (!failed)
		return EXIT_PASS;
	fprintf(stderr, "minivmm: %s\n", err.text);
	return (int)err.status;
}
