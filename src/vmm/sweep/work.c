/* SPDX-License-Identifier: MIT */
/* Which runs of a sweep are to be made, and what is left of those that failed. */
#include "vmm/sweep/work.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmm/sweep/plan/folder.h"

#define RUN_SCHEMA "minivmm.run/1"

bool sweep_is_ours(const struct sweep *s, unsigned visit)
{
	return s->plan.visit[visit].block % s->options.nr_parts == s->options.part - 1;
}

bool sweep_is_finished(const struct sweep *s, unsigned visit, unsigned repeat)
{
	struct folder_path path = folder_run_path(s->options.out_dir, &s->plan.visit[visit],
						  repeat);

	return access(path.text, F_OK) == 0;
}

int sweep_judge(struct sweep *s, const struct run_outcome *outcome, struct run_failure *ret_failure,
		struct error *err)
{
	struct run_failure *f = ret_failure;

	*f = (struct run_failure){ 0 };
	switch (outcome->end) {
	case RUN_CRASHED:
		f->verdict = "crash";
		snprintf(f->reason, sizeof(f->reason), "minivmm crashed: signal %d (%s)",
			 outcome->signal, strsignal(outcome->signal));
		break;
	case RUN_REFUSED:
		return error_set(err, EXIT_USAGE, "%s",
				 outcome->text[0] ? outcome->text
						  : "the guest refused its arguments");
	case RUN_HOST_FAILED:
		/* One cell may ask too much of the host; that none works is for the user. */
		if (s->succeeded == 0)
			return error_set(err, EXIT_HOST, "%s", outcome->text);
		f->verdict = "host";
		snprintf(f->reason, sizeof(f->reason), "%s", outcome->text);
		break;
	case RUN_INTERRUPTED:
		s->signal = outcome->signal;
		break;
	case RUN_FINISHED:
		break;
	}
	return 0;
}

int sweep_note_failure(const char *path, const struct run_failure *failure, struct error *err)
{
	json_object *o = json_object_new_object();

	json_add(o, "schema", json_new_text(RUN_SCHEMA));
	json_add(o, "verdict", json_new_text(failure->verdict));
	json_add(o, "reason", json_new_text(failure->reason));
	char *text = json_print(o);
	json_object_put(o);
	int result = text ? file_write_text(path, text, err)
			  : error_set(err, EXIT_HOST, "not enough memory for a result");
	free(text);
	return result;
}

int sweep_keep_result(struct sweep *s, const char *from, const char *to, struct error *err)
{
	if (rename(from, to))
		return error_set_errno(err, EXIT_HOST, errno, "a run left no result in '%s'", from);
	s->succeeded++;
	return 0;
}
