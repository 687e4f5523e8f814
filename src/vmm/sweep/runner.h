/* SPDX-License-Identifier: MIT */
/* One run of a sweep, in a process of its own: minivmm itself, by its ordinary options. */
#ifndef SWEEP_RUNNER_H
#define SWEEP_RUNNER_H

#include <stdint.h>

#include "vcpu/base/error.h"

enum run_end {
	RUN_FINISHED,	 /* and left a result, good or bad */
	RUN_CRASHED,	 /* by a signal of its own making */
	RUN_REFUSED,	 /* the arguments or the guest are wrong: every run would say so */
	RUN_HOST_FAILED, /* the host lacked something */
	RUN_INTERRUPTED, /* this process was asked to end, and so was the run */
};

struct run_outcome {
	enum run_end end;
	int signal;	/* of a crash or an interruption */
	char text[512]; /* what the run said of its failure, without "minivmm: "; or "" */
};

/*
 * From here on SIGINT and SIGTERM end the run at hand and are reported as
 * RUN_INTERRUPTED. Call once, before the first run.
 */
void runner_init(void);

/* Called about once a second while a run goes on. */
typedef void runner_tick(void *context);

/* Runs the command and waits for its end. 0, or -1 with an error if it cannot be started. */
int runner_run(char *const argv[], runner_tick *tick, void *context,
	       struct run_outcome *ret_outcome, struct error *err);

#endif
