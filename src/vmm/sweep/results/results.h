/* SPDX-License-Identifier: MIT */
/*
 * All that the finished runs of a sweep found out, in memory.
 *
 * It is read from the files in runs/ and from nothing else, so that a sweep that was
 * stopped, resumed or merged has the results of one that was not. What is invalid is
 * kept and counted, and never averaged in: a run that did not pass, and every run of
 * a cell in which any run failed, since a stale read says that something is broken.
 */
#ifndef SWEEP_RESULTS_H
#define SWEEP_RESULTS_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"
#include "vcpu/base/error.h"
#include "vmm/sweep/plan/matrix.h"
#include "vmm/sweep/plan/sweep_options.h"
#include "vmm/sweep/results/metrics.h"
#include "vmm/sweep/results/stats.h"

struct run_record {
	bool finished;
	bool valid;
	char verdict[16];
	char reason[256]; /* one line; "" for a valid run */
	int host;	  /* index into hosts, or -1 if the run does not name it */
	uint64_t elapsed_ns;
	double host_took_share; /* of the time on pCPUs, what the host spent on other work */
	struct sample sample[MV_MAX_MECHANISMS];
};

/* One mechanism in one cell, over all valid runs. */
struct cell_mechanism {
	struct interval figure[NR_FIGURES];
	struct mv_hist latency;
	struct mv_hist latency_net;
	double oracle_reads; /* this and the next of all runs, the invalid ones too */
	double stale_reads;
};

struct cell_result {
	bool failed; /* a run of it failed: none of them counts */
	unsigned nr_finished;
	unsigned nr_valid;
	struct cell_mechanism mechanism[MV_MAX_MECHANISMS];
};

struct results {
	const struct sweep_options *options;
	const struct plan *plan;
	json_object *manifest;
	json_object *hosts;	   /* an array: each machine that took part, once */
	struct run_record *record; /* [repeat * nr_visits + visit] */
	struct cell_result *cell;  /* [cell] */
	unsigned nr_planned;	   /* runs */
	unsigned nr_finished;
	unsigned nr_valid;
	char ops_unit[MV_NAME_BYTES]; /* what throughput counts, unless mixed_units */
	bool mixed_units;
};

/* Reads the runs in a folder and sums them up. The rest has to outlive the results. */
int results_load(const char *dir, const struct sweep_options *options, const struct plan *plan,
		 json_object *manifest, struct results *ret_results, struct error *err);
void results_finish(struct results *r);

/* The record of a visit in a repeat. */
const struct run_record *results_record(const struct results *r, unsigned repeat, unsigned visit);

/* What the figures of a mechanism in a valid run are made of. */
struct sample_context results_context(const struct results *r, unsigned repeat, unsigned visit,
				      unsigned mechanism);

/* The median of what the host took, over the valid runs, and its interval. */
struct interval results_disturbance(const struct results *r);

/* Each as the text of a file, to be freed; NULL if there is no memory. */
char *results_make_json(const struct results *r);
char *results_make_csv(const struct results *r);

#endif
