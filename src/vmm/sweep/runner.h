/* SPDX-License-Identifier: MIT */
/* Runs of a sweep, each in a process of its own: minivmm itself, by its ordinary options. */
#ifndef SWEEP_RUNNER_H
#define SWEEP_RUNNER_H

#include <stdint.h>
#include <sys/types.h>

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

/* A run that goes on. */
struct run_process {
	pid_t pid; /* 0: none */
	int stderr_fd;
	int stopped_by; /* the signal that was passed on to it, or 0 */
};

/* Starts the command, in a directory if `dir` is not NULL. 0, or -1 with EXIT_HOST. */
int runner_start(char *const argv[], const char *dir, struct run_process *ret_process,
		 struct error *err);

/*
 * Waits until one of the processes has ended, of which there is at least one, and passes signals
 * on to all of them meanwhile. Returns its index, and leaves its place empty.
 */
unsigned runner_wait(struct run_process *process, unsigned nr, runner_tick *tick, void *context,
		     struct run_outcome *ret_outcome);

/* Has all of them end, and waits for it. */
void runner_end_all(struct run_process *process, unsigned nr);

/* Runs the command and waits for its end. 0, or -1 with an error if it cannot be started. */
int runner_run(char *const argv[], runner_tick *tick, void *context,
	       struct run_outcome *ret_outcome, struct error *err);

#endif
