/* SPDX-License-Identifier: MIT */
/* Busy threads on the pCPUs' host CPUs, for which the host's scheduler preempts vCPUs. */
#ifndef VMM_BACKGROUND_H
#define VMM_BACKGROUND_H

#include <semaphore.h>

#include "vcpu/base/error.h"
#include "vmm/cli/cpu_list.h"
#include "vmm/base/background_load.h"

struct busy_thread;

/* Zeroed: there is none. */
struct background {
	const struct background_load *load;
	struct busy_thread *thread;
	unsigned nr_started;
	sem_t set_up; /* a thread is busy from now on, or has failed */
	bool stop;    /* atomic */
	int failed;   /* atomic: the errno of a thread that was refused its CPU or nice value */
};

/*
 * Starts the load on each of the CPUs; when it returns all threads are busy. They are of
 * SCHED_OTHER whatever we are, so that a real-time vCPU does not starve. 0, or -1 with an error
 * (EXIT_HOST); background_stop() is due either way. The load stays the caller's.
 */
int background_start(struct background *b, const struct background_load *load,
		     const struct cpu_list *cpus, struct error *err);

/* Ends all threads. Harmless if there is none. */
void background_stop(struct background *b);

#endif
