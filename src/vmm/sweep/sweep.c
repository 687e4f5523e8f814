/* SPDX-License-Identifier: MIT */
/* `minivmm sweep`: from the command line to the report, stopped and resumed at will. */
#define _GNU_SOURCE
#include "vmm/base/printing.h"
#include "vmm/base/seed.h"
#include "vmm/sweep/sweep.h"

#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "vmm/cli/options.h"
#include "vmm/sweep/plan/folder.h"
#include "vmm/sweep/plan/manifest.h"
#include "vmm/sweep/plan/sweep_options.h"
#include "vmm/sweep/report/outputs.h"
#include "vmm/sweep/runner.h"
#include "vmm/sweep/sweep_progress.h"

#define RUN_SCHEMA "minivmm.run/1"

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

/* ---- what is to be run ------------------------------------------------------- */

/* Whether a block is in the part that this process was given. */
static bool is_ours(const struct sweep *s, unsigned visit)
{
	return s->plan.visit[visit].block % s->options.nr_parts == s->options.part - 1;
}

static bool is_finished(const struct sweep *s, unsigned visit, unsigned repeat)
{
	struct folder_path path = folder_run_path(s->options.out_dir, &s->plan.visit[visit],
						  repeat);

	return access(path.text, F_OK) == 0;
}

static unsigned count_left(const struct sweep *s)
{
	unsigned left = 0;

	for (unsigned repeat = 0; repeat < s->options.repeats; repeat++) {
		for (unsigned v = 0; v < s->plan.nr_visits; v++)
			left += is_ours(s, v) && !is_finished(s, v, repeat);
	}
	return left;
}

static void list_cells(const struct sweep *s)
{
	for (unsigned v = 0; v < s->plan.nr_visits; v++) {
		const struct visit *visit = &s->plan.visit[v];
		const struct cell *cell = &s->plan.cell[visit->cell];

		if (!is_ours(s, v))
			continue;
		printf("block %u cell %u %s", visit->block, visit->cell,
		       cell_overcommit_label(cell).text);
		for (unsigned i = 0; i < s->options.matrix.nr_dimensions; i++)
			printf(" %s=%s", s->options.matrix.dimension[i].name,
			       cell_value(&s->options.matrix, cell, i));
		putchar('\n');
	}
}

/* ---- one run ----------------------------------------------------------------- */

/* Leaves a result in place of the one that a run could not write. */
static int note_failure(const char *path, const char *verdict, const char *reason,
			struct error *err)
{
	json_object *o = json_object_new_object();

	json_add(o, "schema", json_new_text(RUN_SCHEMA));
	json_add(o, "verdict", json_new_text(verdict));
	json_add(o, "reason", json_new_text(reason));
	char *text = json_print(o);
	json_object_put(o);
	int result = text ? file_write_text(path, text, err)
			  : error_set(err, EXIT_HOST, "not enough memory for a result");
	free(text);
	return result;
}

/* The result that a run wrote gets the name by which it counts as finished. */
static int keep_result(struct sweep *s, const char *from, const char *to, struct error *err)
{
	if (rename(from, to))
		return error_set_errno(err, EXIT_HOST, errno, "a run left no result in '%s'", from);
	s->succeeded++;
	return 0;
}

static int take_outcome(struct sweep *s, const struct run_outcome *outcome, const char *from,
			const char *to, struct error *err)
{
	char reason[128];

	if (outcome->end == RUN_FINISHED)
		return keep_result(s, from, to, err);
	unlink(from);
	switch (outcome->end) {
	case RUN_CRASHED:
		snprintf(reason, sizeof(reason), "minivmm crashed: signal %d (%s)", outcome->signal,
			 strsignal(outcome->signal));
		return note_failure(to, "crash", reason, err);
	case RUN_REFUSED:
		return error_set(err, EXIT_USAGE, "%s",
				 outcome->text[0] ? outcome->text
						  : "the guest refused its arguments");
	case RUN_HOST_FAILED:
		/* One cell may ask too much of the host; that none works is for the user. */
		if (s->succeeded == 0)
			return error_set(err, EXIT_HOST, "%s", outcome->text);
		return note_failure(to, "host", outcome->text, err);
	case RUN_FINISHED:
	case RUN_INTERRUPTED:
		break;
	}
	s->signal = outcome->signal;
	return 0;
}

static void tick(void *context)
{
	sweep_progress_show(context);
}

static int run_one(struct sweep *s, unsigned v, unsigned repeat, struct error *err)
{
	const struct visit *visit = &s->plan.visit[v];
	const struct cell *cell = &s->plan.cell[visit->cell];
	struct folder_path from = folder_path(s->options.out_dir, "runs/.unfinished.json");
	struct folder_path to = folder_run_path(s->options.out_dir, visit, repeat);
	struct run_command command;
	struct run_outcome outcome;

	sweep_run_command(&s->options, cell, repeat, from.text, &command);
	snprintf(s->progress.what, sizeof(s->progress.what), "%s %.80s",
		 cell_overcommit_label(cell).text,
		 cell_family_label(&s->options.matrix, cell).text);
	sweep_progress_show(&s->progress);
	if (runner_run(command.argv, tick, &s->progress, &outcome, err) ||
	    take_outcome(s, &outcome, from.text, to.text, err))
		return -1;
	s->progress.finished += !s->signal;
	return 0;
}

/* ---- all runs ---------------------------------------------------------------- */

static int run_repeat(struct sweep *s, unsigned repeat, struct error *err)
{
	for (unsigned i = 0; i < s->plan.nr_visits && !s->signal; i++) {
		unsigned v = plan_visit_at(&s->plan, repeat, i);

		if (is_ours(s, v) && !is_finished(s, v, repeat) && run_one(s, v, repeat, err))
			return -1;
	}
	return 0;
}

/* Repeats are the outer loop: what disturbs the machine for a while hits all cells alike. */
static int run_all(struct sweep *s, struct error *err)
{
	int failed = 0;

	runner_init();
	sweep_progress_init(&s->progress, count_left(s), s->options.quiet);
	for (unsigned repeat = 0; repeat < s->options.repeats && !failed; repeat++)
		failed = run_repeat(s, repeat, err);
	sweep_progress_clear(&s->progress);
	return failed;
}

/* ---- the folder -------------------------------------------------------------- */

static int lock_folder(struct sweep *s, struct error *err)
{
	const char *dir = s->options.out_dir;

	s->lock_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (s->lock_fd < 0)
		return error_set_errno(err, EXIT_USAGE, errno, "'%s' cannot be opened", dir);
	if (flock(s->lock_fd, LOCK_EX | LOCK_NB) == 0)
		return 0;
	return error_set(err, EXIT_USAGE,
			 "another sweep is at work in '%s': wait for it, or name another folder "
			 "with --out",
			 dir);
}

/* Takes up the sweep in the folder, if it is the one that was asked for. */
static int take_up(struct sweep *s, struct error *err)
{
	struct sweep_options before;
	json_object *manifest = NULL;

	if (manifest_read(s->options.out_dir, &manifest, err))
		return -1;
	int failed = manifest_options(manifest, &before, err);
	if (!failed && !s->options.seed_given)
		s->options.seed = before.seed;
	failed = failed || manifest_make(&s->options, &s->manifest, err);
	const char *difference = failed ? NULL : manifest_difference(manifest, s->manifest);
	json_object_put(manifest);
	if (difference)
		return error_set(err, EXIT_USAGE,
				 "the sweep in '%s' cannot be resumed: its %s differ%s",
				 s->options.out_dir, difference,
				 difference[strlen(difference) - 1] == 's' ? "" : "s");
	return failed;
}

static int begin(struct sweep *s, struct error *err)
{
	if (!s->options.seed_given)
		s->options.seed = seed_draw(s->options.seed);
	if (manifest_make(&s->options, &s->manifest, err))
		return -1;
	return manifest_write(s->options.out_dir, s->manifest, err);
}

static int prepare_folder(struct sweep *s, struct error *err)
{
	const char *dir = s->options.out_dir;
	bool exists = folder_has(dir, "manifest.json");

	if (exists && !s->options.resume)
		return error_set(err, EXIT_USAGE,
				 "'%s' already holds a sweep: add --resume to go on with it, or "
				 "name another folder with --out",
				 dir);
	if (folder_make(dir, err) || lock_folder(s, err))
		return -1;
	return exists ? take_up(s, err) : begin(s, err);
}

/* ---- the command ------------------------------------------------------------- */

static int report_sweep(struct sweep *s, enum exit_status *ret_status, struct error *err)
{
	struct results results;

	if (results_load(s->options.out_dir, &s->options, &s->plan, s->manifest, &results, err))
		return -1;
	int failed = outputs_make(s->options.out_dir, &results, s->options.quiet, err);
	*ret_status = outputs_status(&results);
	results_finish(&results);
	return failed;
}

static int sweep_steps(struct sweep *s, const struct host_cpus *allowed, int *ret_status,
		       struct error *err)
{
	enum exit_status status = EXIT_PASS;

	if (plan_make(&s->options.matrix, &s->plan, err) ||
	    sweep_check_cells(&s->options, &s->plan, allowed, err))
		return -1;
	if (s->options.command == SWEEP_LIST_CELLS) {
		list_cells(s);
		*ret_status = EXIT_PASS;
		return 0;
	}
	if (prepare_folder(s, err) || run_all(s, err) || report_sweep(s, &status, err))
		return -1;
	*ret_status = s->signal ? 128 + s->signal : (int)status;
	return 0;
}

int sweep_command(int argc, char *argv[])
{
	struct sweep s = { .lock_fd = -1 };
	struct host_cpus allowed;
	struct error err;
	int status;

	host_cpus_read(&allowed);
	int failed = sweep_options_parse(argc, argv, &allowed, &s.options, &err);
	if (!failed && s.options.command == SWEEP_HELP) {
		host_cpus_finish(&allowed);
		sweep_options_print_help(stdout);
		return finish_printing();
	}
	if (failed || sweep_steps(&s, &allowed, &status, &err)) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		status = err.status;
	} else if (finish_printing() && status == EXIT_PASS) {
		status = EXIT_HOST;
	}
	host_cpus_finish(&allowed);
	plan_finish(&s.plan);
	json_object_put(s.manifest);
	if (s.lock_fd >= 0)
		close(s.lock_fd);
	return status;
}
