/* SPDX-License-Identifier: MIT */
/* `minivmm sweep`: from the command line to the report, stopped and resumed at will. */
#define _GNU_SOURCE
#include "vmm/base/printing.h"
#include "vmm/base/seed.h"
#include "vmm/base/sha256.h"
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
#include "vmm/lab/repeatable.h"
#include "vmm/sweep/plan/folder.h"
#include "vmm/sweep/plan/manifest.h"
#include "vmm/sweep/plan/sweep_options.h"
#include "vmm/sweep/report/outputs.h"
#include "vmm/sweep/runner.h"
#include "vmm/sweep/work.h"

/* ---- what is to be run ------------------------------------------------------- */

static unsigned count_left(const struct sweep *s)
{
	unsigned left = 0;

	for (unsigned repeat = 0; repeat < s->options.repeats; repeat++) {
		for (unsigned v = 0; v < s->plan.nr_visits; v++)
			left += sweep_is_ours(s, v) && !sweep_is_finished(s, v, repeat);
	}
	return left;
}

static void list_cells(const struct sweep *s)
{
	for (unsigned v = 0; v < s->plan.nr_visits; v++) {
		const struct visit *visit = &s->plan.visit[v];
		const struct cell *cell = &s->plan.cell[visit->cell];

		if (!sweep_is_ours(s, v))
			continue;
		printf("block %u cell %u %s", visit->block, visit->cell,
		       cell_overcommit_label(cell).text);
		for (unsigned i = 0; i < s->options.matrix.nr_dimensions; i++)
			printf(" %s=%s", s->options.matrix.dimension[i].name,
			       cell_value(&s->options.matrix, cell, i));
		putchar('\n');
	}
}

static int run_all(struct sweep *s, struct error *err)
{
	runner_init();
	sweep_progress_init(&s->progress, count_left(s), s->options.quiet);
	int failed = s->options.lab_text ? sweep_run_in_labs(s, err) : sweep_run_here(s, err);
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
		s->options.seed = s->options.lab.repeatable ? REPEATABLE_SEED
							    : seed_draw(s->options.seed);
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

/* What two hosts compare whose results ought to be the same. */
static int print_digest(const struct sweep *s, struct error *err)
{
	struct folder_path path = folder_path(s->options.out_dir, "results.json");
	char digest[SHA256_TEXT_BYTES];
	uint64_t bytes;

	if (!s->options.lab.repeatable || s->signal)
		return 0;
	if (sha256_file(path.text, digest, &bytes, err))
		return -1;
	printf("digest sha256:%s\n", digest);
	return 0;
}

static int report_sweep(struct sweep *s, enum exit_status *ret_status, struct error *err)
{
	struct results results;

	if (results_load(s->options.out_dir, &s->options, &s->plan, s->manifest, &results, err))
		return -1;
	int failed = outputs_make(s->options.out_dir, &results, s->options.quiet, err);
	*ret_status = outputs_status(&results);
	results_finish(&results);
	return failed ? -1 : print_digest(s, err);
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
