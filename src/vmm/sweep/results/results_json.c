/* SPDX-License-Identifier: MIT */
/* results.json, schema minivmm.sweep/1: docs/json-schema.md describes every member. */
#include "vmm/sweep/plan/json_read.h"
#include "vmm/sweep/results/results.h"

#include <stdlib.h>
#include <string.h>

#define SCHEMA "minivmm.sweep/1"

static void add(json_object *to, const char *key, json_object *value)
{
	json_object_object_add(to, key, value);
}

static void add_u64(json_object *to, const char *key, uint64_t value)
{
	add(to, key, json_object_new_uint64(value));
}

static void add_text(json_object *to, const char *key, const char *text)
{
	add(to, key, *text ? json_object_new_string(text) : NULL);
}

static void add_bool(json_object *to, const char *key, bool value)
{
	add(to, key, json_object_new_boolean(value));
}

/* ---- cells ------------------------------------------------------------------- */

static json_object *values_json(const struct results *r, const struct cell *cell, bool of_guest)
{
	const struct matrix *m = &r->options->matrix;
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		if (m->dimension[i].of_guest == of_guest)
			add_text(o, m->dimension[i].name, cell_value(m, cell, i));
	}
	return o;
}

static json_object *interval_json(const struct interval *interval)
{
	json_object *o = json_object_new_object();

	add_u64(o, "n", interval->nr);
	add(o, "median", json_new_number(interval->median));
	add(o, "low", json_new_number(interval->low));
	add(o, "high", json_new_number(interval->high));
	return o;
}

static json_object *mechanism_json(const struct cell_mechanism *m)
{
	json_object *o = json_object_new_object();

	for (unsigned f = 0; f < NR_FIGURES; f++)
		add(o, figure_name[f], interval_json(&m->figure[f]));
	add(o, "oracle_reads", json_new_number(m->oracle_reads));
	add(o, "stale_reads", json_new_number(m->stale_reads));
	return o;
}

static json_object *cell_json(const struct results *r, unsigned index)
{
	const struct cell *cell = &r->plan->cell[index];
	const struct cell_result *result = &r->cell[index];
	const struct word_list *names = &r->options->mechanisms;
	json_object *o = json_object_new_object();
	json_object *mechanisms = json_object_new_object();

	add_u64(o, "cell", index);
	add_u64(o, "family", cell->family);
	add_u64(o, "vms", cell->vms);
	add_u64(o, "vcpus_per_pcpu", cell->vcpus_per_pcpu);
	add_u64(o, "vcpus", cell->vcpus_per_pcpu * r->options->matrix.nr_pcpus);
	add_u64(o, "overcommit", cell_overcommit(cell));
	add(o, "options", values_json(r, cell, false));
	add(o, "guest_args", values_json(r, cell, true));
	add_bool(o, "valid", result->nr_valid > 0 && !result->failed);
	add_u64(o, "runs_finished", result->nr_finished);
	add_u64(o, "runs_valid", result->nr_valid);
	for (unsigned m = 0; m < names->nr; m++)
		add(mechanisms, names->word[m], mechanism_json(&result->mechanism[m]));
	add(o, "mechanisms", mechanisms);
	return o;
}

/* ---- runs -------------------------------------------------------------------- */

static json_object *sample_json(const struct sample *sample)
{
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < NR_METRICS; i++)
		add(o, metric_name[i], json_new_number(sample->metric[i]));
	return o;
}

static json_object *run_json(const struct results *r, unsigned repeat, unsigned v)
{
	const struct run_record *record = results_record(r, repeat, v);
	const struct word_list *names = &r->options->mechanisms;
	json_object *o = json_object_new_object();
	json_object *mechanisms = json_object_new_object();

	add_u64(o, "cell", r->plan->visit[v].cell);
	add_u64(o, "block", r->plan->visit[v].block);
	add_u64(o, "repeat", repeat);
	add_bool(o, "valid", record->valid);
	add_text(o, "verdict", record->verdict);
	add_text(o, "reason", record->reason);
	add(o, "host", record->host < 0 ? NULL : json_object_new_int(record->host));
	add_u64(o, "elapsed_ns", record->elapsed_ns);
	add(o, "host_took_share", json_new_number(record->host_took_share));
	for (unsigned m = 0; m < names->nr; m++)
		add(mechanisms, names->word[m], sample_json(&record->sample[m]));
	add(o, "mechanisms", mechanisms);
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

	add_text(o, "schema", SCHEMA);
	for (unsigned i = 0; i < sizeof(of_manifest) / sizeof(of_manifest[0]); i++)
		add(o, of_manifest[i], json_object_get(json_get(r->manifest, of_manifest[i])));
	add(o, "hosts", json_object_get(r->hosts));
	add_bool(o, "complete", r->nr_finished == r->nr_planned);
	add_u64(o, "runs_planned", r->nr_planned);
	add_u64(o, "runs_finished", r->nr_finished);
	add_u64(o, "runs_valid", r->nr_valid);
	add_text(o, "ops_unit", r->mixed_units ? "" : r->ops_unit);
	for (unsigned i = 0; i < r->plan->nr_cells; i++)
		json_object_array_add(cells, cell_json(r, i));
	add(o, "cells", cells);
	add(o, "runs", runs_json(r));
	char *text = json_print(o);
	json_object_put(o);
	return text;
}
