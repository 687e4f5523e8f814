/* SPDX-License-Identifier: MIT */
/* A sweep at work: which runs are to be made, on this host or in emulated ones. */
#ifndef SWEEP_WORK_H
#define SWEEP_WORK_H

#include <json-c/json.h>
#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vmm/sweep/plan/matrix.h"
#include "vmm/sweep/plan/sweep_options.h"
#include "vmm/sweep/runner.h"
#include "vmm/sweep/sweep_progress.h"

/* All that a sweep owns; each part is empty until its step has been taken. */
struct sweep {
	struct sweep_options options;
	struct plan plan;
	json_object *manifest;
	int lock_fd; /* of the folder, -1: not locked */
	struct sweep_progress progress;
	unsigned succeeded; /* runs of this process that left a result */
	int signal;	    /* that stopped it, or 0 */
};

/* Whether a visit's block is in the part that this process was given. */
bool sweep_is_ours(const struct sweep *s, unsigned visit);

bool sweep_is_finished(const struct sweep *s, unsigned visit, unsigned repeat);

/* What is recorded in place of the result that a run did not leave. */
struct run_failure {
	const char *verdict; /* NULL: nothing, it left one or was stopped */
	char reason[512];
};

/*
 * What becomes of a run, or of several in one machine, by how it ended. 0, or -1 with an error
 * that ends the sweep.
 */
int sweep_judge(struct sweep *s, const struct run_outcome *outcome, struct run_failure *ret_failure,
		struct error *err);

/* Leaves a result that says so. 0, or -1 with EXIT_HOST. */
int sweep_note_failure(const char *path, const struct run_failure *failure, struct error *err);

/* The result that a run wrote gets the name by which it counts as finished. */
int sweep_keep_result(struct sweep *s, const char *from, const char *to, struct error *err);

/*
 * Makes all runs that are left, until a signal stops it: one after the other on this host, or a
 * block's runs of one repeat in an emulated machine each, --jobs of them at a time.
 */
int sweep_run_here(struct sweep *s, struct error *err);
int sweep_run_in_labs(struct sweep *s, struct error *err);

#endif
