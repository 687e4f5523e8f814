/* SPDX-License-Identifier: MIT */
/* results.json, schema minivmm.sweep/1: docs/json-schema.md describes every member. */
#include "vmm/base/json.h"
#include "vmm/sweep/results/results.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA "minivmm.sweep/1"

/* ---- cells ------------------------------------------------------------------- */

static json_object *values_json(const struct results *r, const struct cell *cell, bool of_guest)
{
	const struct matrix *m = &r->options->matrix;
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		if (m->dimension[i].of_guest == of_guest)
			json_add_text(o, m->dimension[i].name, cell_value(m, cell, i));
	}
	return o;
}

static json_object *interval_json(const struct interval *interval)
{
	json_object *o = json_object_new_object();

	json_add_u64(o, "n", interval->nr);
	json_add_number(o, "median", interval->median);
	json_add_number(o, "low", interval->low);
	json_add_number(o, "high", interval->high);
	return o;
}

static json_object *mechanism_json(const struct cell_mechanism *m)
{
	json_object *o = json_object_new_object();

	for (unsigned f = 0; f < NR_FIGURES; f++)
		json_add(o, figure_name[f], interval_json(&m->figure[f]));
	json_add_number(o, "oracle_reads", m->oracle_reads);
	json_add_number(o, "stale_reads", m->stale_reads);
	return o;
}

static json_object *cell_json(const struct results *r, unsigned index)
{
	const struct cell *cell = &r->plan->cell[index];
	const struct cell_result *result = &r->cell[index];
	json_object *o = json_object_new_object();
	json_object *mechanisms = json_object_new_object();

	json_add_u64(o, "cell", index);
	json_add_u64(o, "family", cell->family);
	json_add_u64(o, "vms", cell->vms);
	json_add_u64(o, "vcpus_per_pcpu", cell->vcpus_per_pcpu);
	json_add_u64(o, "vcpus", cell->vcpus_per_pcpu * r->options->matrix.nr_pcpus);
	json_add_u64(o, "overcommit", cell_overcommit(cell));
	json_add(o, "options", values_json(r, cell, false));
	json_add(o, "guest_args", values_json(r, cell, true));
	json_add_bool(o, "valid", result->nr_valid > 0 && !result->failed);
	json_add_u64(o, "runs_finished", result->nr_finished);
	json_add_u64(o, "runs_valid", result->nr_valid);
	for (unsigned m = 0; m < r->options->nr_mechanisms; m++)
		json_add(mechanisms, sweep_mechanism(r->options, m),
			 mechanism_json(&result->mechanism[m]));
	json_add(o, "mechanisms", mechanisms);
	return o;
}

/* ---- runs -------------------------------------------------------------------- */

static json_object *sample_json(const struct sample *sample)
{
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < NR_METRICS; i++)
		json_add_number(o, metric_name[i], sample->metric[i]);
	return o;
}

static json_object *run_json(const struct results *r, unsigned repeat, unsigned v)
{
	const struct run_record *record = results_record(r, repeat, v);
	json_object *o = json_object_new_object();
	json_object *mechanisms = json_object_new_object();

	json_add_u64(o, "cell", r->plan->visit[v].cell);
	json_add_u64(o, "block", r->plan->visit[v].block);
	json_add_u64(o, "repeat", repeat);
	json_add_bool(o, "valid", record->valid);
	json_add_text(o, "verdict", record->verdict);
	json_add_text(o, "reason", record->reason);
	json_add(o, "host", record->host < 0 ? NULL : json_object_new_int(record->host));
	json_add_u64(o, "elapsed_ns", record->elapsed_ns);
	json_add_number(o, "host_took_share", record->host_took_share);
	for (unsigned m = 0; m < r->options->nr_mechanisms; m++)
		json_add(mechanisms, sweep_mechanism(r->options, m),
			 sample_json(&record->sample[m]));
	json_add(o, "mechanisms", mechanisms);
	return o;
}

static json_object *runs_json(const struct results *r)
{
	json_object *list = json_object_new_array();

	for (unsigned repeat = 0; repeat < r->options->repeats; repeat++) {
		for (unsigned v = 0; v < r->plan->nr_visits; v++) {
			if (results_record(r, repeat, v)->finished)
				json_object_array_add(list, run_json(r, repeat, v));
		}
	}
	return list;
}

char *results_make_json(const struct results *r)
{
	static const char *const of_manifest[] = { "minivmm_version", "guest", "pcpus",
						   "arguments" };
	json_object *o = json_object_new_object();
	json_object *cells = json_object_new_array();

	json_add_text(o, "schema", SCHEMA);
	for (unsigned i = 0; i < sizeof(of_manifest) / sizeof(of_manifest[0]); i++)
		json_add(o, of_manifest[i], json_object_get(json_get(r->manifest, of_manifest[i])));
	json_add(o, "hosts", json_object_get(r->hosts));
	json_add_bool(o, "complete", r->nr_finished == r->nr_planned);
	json_add_u64(o, "runs_planned", r->nr_planned);
	json_add_u64(o, "runs_finished", r->nr_finished);
	json_add_u64(o, "runs_valid", r->nr_valid);
	json_add_text(o, "ops_unit", r->mixed_units ? "" : r->ops_unit);
	for (unsigned i = 0; i < r->plan->nr_cells; i++)
		json_object_array_add(cells, cell_json(r, i));
	json_add(o, "cells", cells);
	json_add(o, "runs", runs_json(r));
	char *text = json_print(o);
	json_object_put(o);
	return text;
}
