/* SPDX-License-Identifier: MIT */
/* `minivmm merge DIR...`: joins the parts of a sweep that ran on several machines. */
#include "vmm/sweep/merge.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/printing.h"
#include "vmm/cli/command_line.h"
#include "vmm/sweep/plan/folder.h"
#include "vmm/sweep/plan/manifest.h"
#include "vmm/sweep/report/outputs.h"

struct merge {
	const char *out_dir;
	bool quiet;
	bool help;
	unsigned nr_dirs;
	const char **dir;      /* has room for every word of the command line */
	json_object *manifest; /* of the first folder */
	struct sweep_options options;
	struct plan plan;
};

/* ---- the command line -------------------------------------------------------- */

static int set_out(void *target, const struct command_row *row, const char *value,
		   struct error *err)
{
	struct merge *m = target;

	if (!*value)
		return error_set(err, EXIT_USAGE, "--%s '' is not the name of a folder", row->name);
	m->out_dir = value;
	return 0;
}

COMMAND_FLAG_SETTER(quiet, struct merge, quiet, true)
COMMAND_FLAG_SETTER(help, struct merge, help, true)

static int add_dir(void *target, const char *word, struct error *err)
{
	struct merge *m = target;

	(void)err;
	m->dir[m->nr_dirs++] = word;
	return 0;
}

static const struct command_row rows[] = {
	{ "out", "DIR", "the folder for all of them together (merged)", set_out },
	{ "quiet", NULL, "print nothing but failures", set_quiet },
	{ "help", NULL, "print this", set_help },
};
static const struct command_table table = { .nr = sizeof(rows) / sizeof(rows[0]),
					    .row = rows,
					    .operand = add_dir };

static void print_help(void)
{
	fputs("Usage: minivmm merge [OPTIONS] DIR...\n"
	      "\n"
	      "Joins the parts of a sweep, made with --part I/N on one machine or on several,\n"
	      "and makes the report of them all. With one DIR, makes its report again.\n"
	      "\n",
	      stdout);
	command_line_print_rows(stdout, &table);
}

static int parse(struct merge *m, int argc, char *argv[], struct error *err)
{
	int rest;

	if (command_line_parse(argc, argv, &table, m, &rest, err))
		return -1;
	for (; rest < argc; rest++)
		m->dir[m->nr_dirs++] = argv[rest];
	if (!m->help && m->nr_dirs == 0)
		return error_set(err, EXIT_USAGE,
				 "no folder given: minivmm merge [OPTIONS] DIR...");
	return 0;
}

/* ---- merging ----------------------------------------------------------------- */

static int check_same(const struct merge *m, const char *dir, struct error *err)
{
	json_object *manifest;

	if (manifest_read(dir, &manifest, err))
		return -1;
	const char *difference = manifest_difference(m->manifest, manifest);
	json_object_put(manifest);
	if (!difference)
		return 0;
	return error_set(err, EXIT_USAGE,
			 "'%s' and '%s' are not parts of one sweep: they differ in the %s",
			 m->dir[0], dir, difference);
}

/* All of them, before anything is written. */
static int check_all(struct merge *m, struct error *err)
{
	if (folder_has(m->out_dir, "manifest.json"))
		return error_set(err, EXIT_USAGE,
				 "'%s' already holds a sweep: name another folder with --out",
				 m->out_dir);
	if (manifest_read(m->dir[0], &m->manifest, err))
		return -1;
	for (unsigned i = 1; i < m->nr_dirs; i++) {
		if (check_same(m, m->dir[i], err))
			return -1;
	}
	if (manifest_options(m->manifest, &m->options, err))
		return -1;
	return plan_make(&m->options.matrix, &m->plan, err);
}

/* A run that is in two folders has to be the same one. */
static int copy_run(const char *from, const char *to, struct error *err)
{
	char *text, *before = NULL;
	int result;

	if (file_read_text(from, &text, err))
		return -1;
	if (access(to, F_OK))
		result = file_write_text(to, text, err);
	else
		result = file_read_text(to, &before, err);
	if (before && strcmp(before, text) != 0)
		result = error_set(err, EXIT_USAGE,
				   "'%s' is in another folder too, with another result: each part "
				   "belongs into the merge once",
				   from);
	free(text);
	free(before);
	return result;
}

static int copy_runs(const struct merge *m, const char *dir, struct error *err)
{
	for (unsigned repeat = 0; repeat < m->options.repeats; repeat++) {
		for (unsigned v = 0; v < m->plan.nr_visits; v++) {
			const struct visit *visit = &m->plan.visit[v];
			struct folder_path from = folder_run_path(dir, visit, repeat);
			struct folder_path to = folder_run_path(m->out_dir, visit, repeat);

			if (access(from.text, F_OK) == 0 && copy_run(from.text, to.text, err))
				return -1;
		}
	}
	return 0;
}

static int report_merge(const struct merge *m, int *ret_status, struct error *err)
{
	struct results results;

	if (results_load(m->out_dir, &m->options, &m->plan, m->manifest, &results, err))
		return -1;
	int failed = outputs_make(m->out_dir, &results, m->quiet, err);
	*ret_status = (int)outputs_status(&results);
	results_finish(&results);
	return failed;
}

static int merge_steps(struct merge *m, int *ret_status, struct error *err)
{
	if (check_all(m, err) || folder_make(m->out_dir, err))
		return -1;
	for (unsigned i = 0; i < m->nr_dirs; i++) {
		if (copy_runs(m, m->dir[i], err))
			return -1;
	}
	if (manifest_write(m->out_dir, m->manifest, err))
		return -1;
	return report_merge(m, ret_status, err);
}

int merge_command(int argc, char *argv[])
{
	struct merge m = { .out_dir = "merged" };
	struct error err;
	int status = EXIT_PASS;

	m.dir = calloc((size_t)argc + 1, sizeof(*m.dir));
	int failed = m.dir ? parse(&m, argc, argv, &err)
			   : error_set(&err, EXIT_HOST, "not enough memory");
	if (!failed && m.help) {
		print_help();
		status = finish_printing();
	} else if (failed || merge_steps(&m, &status, &err)) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		status = err.status;
	} else if (finish_printing() && status == EXIT_PASS) {
		status = EXIT_HOST;
	}
	plan_finish(&m.plan);
	json_object_put(m.manifest);
	free(m.dir);
	return status;
}
