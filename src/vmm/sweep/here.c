/* SPDX-License-Identifier: MIT */
/* The runs of a sweep on this host, one after the other. */
#include "vmm/sweep/work.h"

#include <stdio.h>
#include <unistd.h>

#include "vmm/sweep/plan/folder.h"

static void tick(void *context)
{
	sweep_progress_show(context);
}

static int take_outcome(struct sweep *s, const struct run_outcome *outcome, const char *from,
			const char *to, struct error *err)
{
	struct run_failure failure;

	if (outcome->end == RUN_FINISHED)
		return sweep_keep_result(s, from, to, err);
	unlink(from);
	if (sweep_judge(s, outcome, &failure, err))
		return -1;
	return failure.verdict ? sweep_note_failure(to, &failure, err) : 0;
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

static int run_repeat(struct sweep *s, unsigned repeat, struct error *err)
{
	for (unsigned i = 0; i < s->plan.nr_visits && !s->signal; i++) {
		unsigned v = plan_visit_at(&s->plan, repeat, i);

		if (sweep_is_ours(s, v) && !sweep_is_finished(s, v, repeat) &&
		    run_one(s, v, repeat, err))
			return -1;
	}
	return 0;
}

/* Repeats are the outer loop: what disturbs the machine for a while hits all cells alike. */
int sweep_run_here(struct sweep *s, struct error *err)
{
	int failed = 0;

	for (unsigned repeat = 0; repeat < s->options.repeats && !failed; repeat++)
		failed = run_repeat(s, repeat, err);
	return failed;
}
