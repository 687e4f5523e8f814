/* SPDX-License-Identifier: MIT */
/* Reads the finished runs of a sweep and sums each cell up. */
#include "vmm/sweep/results/results.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/sweep/plan/folder.h"

#define RUN_SCHEMA "minivmm.run/1"

/* ---- one run ----------------------------------------------------------------- */

static void read_sample(json_object *mechanism, struct sample *ret_sample)
{
	static const struct {
		const char *object, *key;
	} where[NR_METRICS] = {
#define OWN(name)	      { NULL, #name },
#define OF(name, object, key) { #object, #key },
		METRICS(OWN, OF)
#undef OF
#undef OWN
	};

	for (unsigned i = 0; i < NR_METRICS; i++) {
		json_object *o = mechanism;

		if (where[i].object)
			o = json_get(mechanism, where[i].object);
		ret_sample->metric[i] = json_get_number(o, where[i].key);
	}
}

/* Whether every mechanism was measured and read nothing stale. */
static bool is_sound(const struct run_record *record, unsigned nr_mechanisms)
{
	for (unsigned i = 0; i < nr_mechanisms; i++) {
		const double *metric = record->sample[i].metric;

		if (!(metric[METRIC_stale_reads] == 0 && metric[METRIC_shootdowns] > 0))
			return false;
	}
	return true;
}

/* The index of a host in the list, to which it is added if need be. The time of the run
 * is not part of what the machine is. */
static int find_host(json_object *hosts, json_object *of_run)
{
	json_object *host = NULL;

	if (!of_run || json_object_deep_copy(of_run, &host, NULL))
		return -1;
	json_object_object_del(host, "time_utc");
	size_t nr = json_object_array_length(hosts);
	for (size_t i = 0; i < nr; i++) {
		if (json_object_equal(json_object_array_get_idx(hosts, i), host)) {
			json_object_put(host);
			return (int)i;
		}
	}
	json_object_array_add(hosts, host);
	return (int)nr;
}

static void read_record(struct results *r, json_object *run, struct run_record *record)
{
	const struct sweep_options *o = r->options;
	const char *verdict = json_get_text(run, "verdict");

	record->finished = true;
	snprintf(record->verdict, sizeof(record->verdict), "%s", verdict);
	snprintf(record->reason, sizeof(record->reason), "%s", json_get_text(run, "reason"));
	record->host = find_host(r->hosts, json_get(run, "host"));
	record->elapsed_ns = json_get_u64(run, "elapsed_ns");
	record->host_took_share = json_get_number(run, "host_took_share");
	for (unsigned i = 0; i < o->nr_mechanisms; i++)
		read_sample(json_get(json_get(run, "mechanisms"), sweep_mechanism(o, i)),
			    &record->sample[i]);
	record->valid = strcmp(verdict, "pass") == 0 && is_sound(record, o->nr_mechanisms);
	if (!record->valid && !record->reason[0])
		snprintf(record->reason, sizeof(record->reason),
			 "a mechanism was not measured, or read stale translations");
}

/* ---- its histograms ---------------------------------------------------------- */

static void add_bucket(struct mv_hist *h, json_object *pair)
{
	uint64_t low = json_object_get_uint64(json_object_array_get_idx(pair, 0));
	uint64_t count = json_object_get_uint64(json_object_array_get_idx(pair, 1));

	h->bucket[mv_hist_bucket(low)] += (uint32_t)count;
	h->count += count;
}

static void add_histogram(struct mv_hist *h, json_object *latency)
{
	json_object *buckets = json_get(latency, "histogram");
	uint64_t max = json_get_u64(latency, "max");
	size_t nr = json_object_is_type(buckets, json_type_array)
			    ? json_object_array_length(buckets)
			    : 0;

	for (size_t i = 0; i < nr; i++) {
		json_object *pair = json_object_array_get_idx(buckets, i);

		if (json_object_is_type(pair, json_type_array) &&
		    json_object_array_length(pair) == 2)
			add_bucket(h, pair);
	}
	if (max > h->max)
		h->max = max;
}

static void add_to_cell(const struct results *r, struct cell_result *cell, json_object *run,
			const struct run_record *record)
{
	const struct sweep_options *o = r->options;

	cell->nr_finished++;
	cell->failed |= strcmp(record->verdict, "fail") == 0;
	for (unsigned i = 0; i < o->nr_mechanisms; i++) {
		struct cell_mechanism *m = &cell->mechanism[i];
		json_object *from = json_get(json_get(run, "mechanisms"), sweep_mechanism(o, i));
		double stale = record->sample[i].metric[METRIC_stale_reads];
		double checked = record->sample[i].metric[METRIC_oracle_reads];

		m->stale_reads += isfinite(stale) ? stale : 0;
		m->oracle_reads += isfinite(checked) ? checked : 0;
		cell->failed |= stale > 0;
		if (!record->valid)
			continue;
		add_histogram(&m->latency, json_get(from, "latency_ns"));
		add_histogram(&m->latency_net, json_get(from, "latency_net_ns"));
	}
}

/* ---- all of them ------------------------------------------------------------- */

const struct run_record *results_record(const struct results *r, unsigned repeat, unsigned visit)
{
	return &r->record[(size_t)repeat * r->plan->nr_visits + visit];
}

static void note_unit(struct results *r, const char *unit)
{
	if (!r->ops_unit[0] && !r->mixed_units)
		snprintf(r->ops_unit, sizeof(r->ops_unit), "%s", unit);
	r->mixed_units |= strcmp(r->ops_unit, unit) != 0;
}

static int load_run(struct results *r, const char *dir, unsigned repeat, unsigned v,
		    struct error *err)
{
	const struct visit *visit = &r->plan->visit[v];
	struct run_record *record = &r->record[(size_t)repeat * r->plan->nr_visits + v];
	struct folder_path path = folder_run_path(dir, visit, repeat);
	json_object *run;

	if (access(path.text, F_OK))
		return 0;
	if (file_read_json(path.text, RUN_SCHEMA, &run, err))
		return -1;
	read_record(r, run, record);
	add_to_cell(r, &r->cell[visit->cell], run, record);
	r->nr_finished++;
	if (record->valid)
		note_unit(r, json_get_text(run, "ops_unit"));
	json_object_put(run);
	return 0;
}

/* A cell in which a run failed is broken, whatever its other runs say. */
static void void_failed_cells(struct results *r)
{
	for (unsigned i = 0; i < r->nr_planned; i++) {
		struct run_record *record = &r->record[i];
		struct cell_result *cell = &r->cell[r->plan->visit[i % r->plan->nr_visits].cell];

		if (record->valid && cell->failed) {
			record->valid = false;
			snprintf(record->reason, sizeof(record->reason),
				 "another run of this cell failed");
		}
		cell->nr_valid += record->valid;
		r->nr_valid += record->valid;
	}
}

/* The visit of the 1:1 cell in the same block. */
static unsigned find_neighbour(const struct plan *plan, unsigned visit)
{
	unsigned block = plan->visit[visit].block, first = visit;

	while (first > 0 && plan->visit[first - 1].block == block)
		first--;
	while (cell_overcommit(&plan->cell[plan->visit[first].cell]) != 1)
		first++;
	return first;
}

struct sample_context results_context(const struct results *r, unsigned repeat, unsigned visit,
				      unsigned mechanism)
{
	const struct run_record *run = results_record(r, repeat, visit);
	const struct run_record *neighbour = results_record(r, repeat,
							    find_neighbour(r->plan, visit));
	struct sample_context c = { 0 };

	if (run->valid) {
		c.self = &run->sample[mechanism];
		c.first = &run->sample[0];
	}
	if (neighbour->valid) {
		c.self_at_1to1 = &neighbour->sample[mechanism];
		c.first_at_1to1 = &neighbour->sample[0];
	}
	return c;
}

/* ---- summing up -------------------------------------------------------------- */

/* `values` has room for one of each visit and repeat. */
static struct interval sum_up(const struct results *r, unsigned cell, unsigned mechanism,
			      enum figure figure, double *values)
{
	const struct plan *plan = r->plan;
	unsigned nr = 0;

	for (unsigned v = 0; v < plan->nr_visits; v++) {
		if (plan->visit[v].cell != cell)
			continue;
		for (unsigned repeat = 0; repeat < r->options->repeats; repeat++) {
			struct sample_context c = results_context(r, repeat, v, mechanism);

			values[nr++] = c.self ? figure_of(figure, &c) : NAN;
		}
	}
	return stats_interval(values, nr, r->options->seed + cell);
}

static int sum_up_cells(struct results *r, struct error *err)
{
	double *values = calloc(r->nr_planned, sizeof(*values));

	if (!values)
		return error_set(err, EXIT_HOST, "not enough memory for the results");
	for (unsigned c = 0; c < r->plan->nr_cells; c++) {
		for (unsigned m = 0; m < r->options->nr_mechanisms; m++) {
			for (unsigned f = 0; f < NR_FIGURES; f++)
				r->cell[c].mechanism[m].figure[f] = sum_up(r, c, m, (enum figure)f,
									   values);
		}
	}
	free(values);
	return 0;
}

struct interval results_disturbance(const struct results *r)
{
	struct interval none = { .median = NAN, .low = NAN, .high = NAN };
	double *shares = calloc(r->nr_planned, sizeof(*shares));

	if (!shares)
		return none;
	for (unsigned i = 0; i < r->nr_planned; i++)
		shares[i] = r->record[i].valid ? r->record[i].host_took_share : NAN;
	struct interval result = stats_interval(shares, r->nr_planned, r->options->seed);
	free(shares);
	return result;
}

static int load_runs(struct results *r, const char *dir, struct error *err)
{
	for (unsigned repeat = 0; repeat < r->options->repeats; repeat++) {
		for (unsigned v = 0; v < r->plan->nr_visits; v++) {
			if (load_run(r, dir, repeat, v, err))
				return -1;
		}
	}
	void_failed_cells(r);
	return sum_up_cells(r, err);
}

int results_load(const char *dir, const struct sweep_options *options, const struct plan *plan,
		 json_object *manifest, struct results *ret_results, struct error *err)
{
	struct results r = { .options = options, .plan = plan, .manifest = manifest };

	r.nr_planned = plan->nr_visits * options->repeats;
	r.hosts = json_object_new_array();
	r.record = calloc(r.nr_planned, sizeof(*r.record));
	r.cell = calloc(plan->nr_cells, sizeof(*r.cell));
	int failed = r.record && r.cell
			     ? load_runs(&r, dir, err)
			     : error_set(err, EXIT_HOST, "not enough memory for the results");
	if (failed) {
		results_finish(&r);
		return -1;
	}
	*ret_results = r;
	return 0;
}

void results_finish(struct results *r)
{
	json_object_put(r->hosts);
	free(r->record);
	free(r->cell);
	*r = (struct results){ 0 };
}
