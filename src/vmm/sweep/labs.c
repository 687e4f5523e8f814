/* SPDX-License-Identifier: MIT */
/*
 * The runs of a sweep in emulated machines, several at a time. A machine makes the runs of a block
 * in one repeat, so that one start serves several, by a sweep of its own inside: its part B/N. What
 * runs beside what is not known in there, so that the results are the same for any number of jobs.
 */
#include "vmm/sweep/work.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/remove_tree.h"
#include "vmm/base/seed.h"
#include "vmm/lab/emulator.h"
#include "vmm/sweep/plan/folder.h"

#define MACHINE_DIR ".machine-"

/* What one machine does: the visits `first` to `end` - 1 of a repeat. */
struct work {
	unsigned repeat, first, end;
	struct folder_path dir; /* what it takes in and leaves, see prepare_dir() */
};

struct labs {
	struct sweep *sweep;
	unsigned nr_running;
	struct work work[SWEEP_MAX_JOBS]; /* of the process of the same number */
	struct run_process process[SWEEP_MAX_JOBS];
};

/* ---- the command ------------------------------------------------------------- */

static bool begins_with(const char *text, const char *beginning)
{
	return strncmp(text, beginning, strlen(beginning)) == 0;
}

static const char *base_name(const char *path)
{
	const char *slash = strrchr(path, '/');

	return slash ? slash + 1 : path;
}

/* As they are recorded, but for those that concern the whole. */
static void add_recorded_words(struct words *w, json_object *manifest)
{
	json_object *list = json_get(manifest, "arguments");

	for (size_t i = 0; i < json_object_array_length(list); i++) {
		const char *word = json_object_get_string(json_object_array_get_idx(list, i));

		if (!begins_with(word, "--lab=") && !begins_with(word, "--repeats=") &&
		    !begins_with(word, "--seed="))
			words_add(w, "%s", word);
	}
}

static void add_command(const struct sweep *s, const struct work *work, struct words *w)
{
	const struct sweep_options *o = &s->options;
	char pcpus[SWEEP_LIST_BYTES];

	words_add(w, "minivmm");
	words_add(w, "lab");
	for (unsigned i = 0; i < o->lab.nr; i++)
		words_add(w, "%s", o->lab.text + o->lab.at[i]);
	words_add(w, "--");
	words_add(w, "sweep");
	words_add(w, "--quiet");
	words_add(w, "--out=out");
	words_add(w, "--part=%u/%u", s->plan.visit[work->first].block + 1, s->plan.nr_blocks);
	words_add(w, "--repeats=1");
	words_add(w, "--seed=%ju", (uintmax_t)((o->seed + work->repeat) & SEED_MASK));
	if (o->pcpus.nr) {
		cpu_list_format(&o->pcpus, pcpus, sizeof(pcpus));
		words_add(w, "--pcpus=%s", pcpus);
	}
	words_add(w, "in/%s", base_name(o->guest_path));
	add_recorded_words(w, s->manifest);
}

/* ---- a machine's folder ------------------------------------------------------ */

/* Those of a sweep that was killed. */
static void remove_old_dirs(const struct sweep *s)
{
	struct folder_path runs = folder_path(s->options.out_dir, "runs");
	DIR *dir = opendir(runs.text);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (begins_with(entry->d_name, MACHINE_DIR))
			remove_tree(folder_path(runs.text, "%s", entry->d_name).text);
	}
	if (dir)
		closedir(dir);
}

/* The paths that a run sees are the same wherever the sweep's folder is, and so is its result. */
static int prepare_dir(const struct sweep *s, struct work *work, struct error *err)
{
	const struct visit *visit = &s->plan.visit[work->first];
	char guest[PATH_MAX];

	work->dir = folder_path(s->options.out_dir, "runs/" MACHINE_DIR "block-%04u-repeat-%03u",
				visit->block, work->repeat);
	remove_tree(work->dir.text);
	struct folder_path in = folder_path(work->dir.text, "in");
	struct folder_path link = folder_path(in.text, "%s", base_name(s->options.guest_path));
	if (!realpath(s->options.guest_path, guest))
		return error_set_errno(err, EXIT_USAGE, errno, "'%s'", s->options.guest_path);
	if (mkdir(work->dir.text, 0777) || mkdir(in.text, 0777) || symlink(guest, link.text))
		return error_set_errno(err, EXIT_HOST, errno, "'%s' cannot be made", link.text);
	return 0;
}

/* ---- the end of a machine ---------------------------------------------------- */

static const struct run_failure no_result = {
	.verdict = "host",
	.reason = "the machine ended without a result of this run",
};

static int take_run(struct sweep *s, const struct work *work, unsigned v,
		    const struct run_failure *failure, struct error *err)
{
	const struct visit *visit = &s->plan.visit[v];
	struct folder_path out = folder_path(work->dir.text, "out");
	struct folder_path from = folder_run_path(out.text, visit, 0);
	struct folder_path to = folder_run_path(s->options.out_dir, visit, work->repeat);

	if (failure->verdict)
		return sweep_note_failure(to.text, failure, err);
	if (access(from.text, F_OK))
		return sweep_note_failure(to.text, &no_result, err);
	return sweep_keep_result(s, from.text, to.text, err);
}

static int take_outcome(struct sweep *s, const struct work *work, const struct run_outcome *outcome,
			struct error *err)
{
	struct run_failure failure;
	int failed = sweep_judge(s, outcome, &failure, err);

	for (unsigned v = work->first; v < work->end && !failed && !s->signal; v++) {
		bool anew = !sweep_is_finished(s, v, work->repeat);

		failed = take_run(s, work, v, &failure, err);
		s->progress.finished += anew && !failed;
	}
	return failed;
}

/* ---- all of them ------------------------------------------------------------- */

static void show_progress(void *context)
{
	struct labs *labs = context;
	struct sweep_progress *p = &labs->sweep->progress;

	snprintf(p->what, sizeof(p->what), "%u machine%s", labs->nr_running,
		 labs->nr_running == 1 ? "" : "s");
	sweep_progress_show(p);
}

static int start(struct labs *labs, struct work *work, struct error *err)
{
	struct words words = { 0 };
	unsigned place = 0;

	while (labs->process[place].pid)
		place++;
	if (prepare_dir(labs->sweep, work, err))
		return -1;
	add_command(labs->sweep, work, &words);
	int failed = runner_start(words.word, work->dir.text, &labs->process[place], err);
	words_free(&words);
	if (failed)
		return -1;
	labs->work[place] = *work;
	labs->nr_running++;
	show_progress(labs);
	return 0;
}

static int wait_for_one(struct labs *labs, struct error *err)
{
	struct run_outcome outcome;
	unsigned nr = labs->sweep->options.jobs;
	unsigned ended = runner_wait(labs->process, nr, show_progress, labs, &outcome);
	int failed = take_outcome(labs->sweep, &labs->work[ended], &outcome, err);

	remove_tree(labs->work[ended].dir.text);
	labs->nr_running--;
	return failed;
}

static bool is_left(const struct sweep *s, const struct work *work)
{
	for (unsigned v = work->first; v < work->end; v++) {
		if (sweep_is_ours(s, v) && !sweep_is_finished(s, v, work->repeat))
			return true;
	}
	return false;
}

static int run_block(struct labs *labs, struct work *work, struct error *err)
{
	if (!is_left(labs->sweep, work))
		return 0;
	if (labs->nr_running == labs->sweep->options.jobs && wait_for_one(labs, err))
		return -1;
	return labs->sweep->signal ? 0 : start(labs, work, err);
}

static int run_repeat(struct labs *labs, unsigned repeat, struct error *err)
{
	const struct plan *plan = &labs->sweep->plan;
	struct work work = { .repeat = repeat };

	for (; work.first < plan->nr_visits && !labs->sweep->signal; work.first = work.end) {
		while (work.end < plan->nr_visits &&
		       plan->visit[work.end].block == plan->visit[work.first].block)
			work.end++;
		if (run_block(labs, &work, err))
			return -1;
	}
	return 0;
}

static void end_all(struct labs *labs)
{
	runner_end_all(labs->process, labs->sweep->options.jobs);
	for (unsigned i = 0; i < labs->sweep->options.jobs; i++) {
		if (labs->work[i].end)
			remove_tree(labs->work[i].dir.text);
	}
}

int sweep_run_in_labs(struct sweep *s, struct error *err)
{
	static struct labs labs;
	int failed = 0;

	labs = (struct labs){ .sweep = s };
	remove_old_dirs(s);
	for (unsigned repeat = 0; repeat < s->options.repeats && !failed; repeat++)
		failed = run_repeat(&labs, repeat, err);
	while (labs.nr_running && !failed)
		failed = wait_for_one(&labs, err);
	if (failed)
		end_all(&labs);
	return failed;
}
