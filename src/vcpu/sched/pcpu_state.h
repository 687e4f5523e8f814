/* SPDX-License-Identifier: MIT */
/*
 * What the scheduler keeps: for pcpu.c, which has the lock and the threads, and dispatch.c,
 * which decides under it. Everybody else calls pcpu.h.
 */
#ifndef VCPU_PCPU_STATE_H
#define VCPU_PCPU_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "minivmm/abi.h"
#include "vcpu/base/cpu_mask.h"
#include "vcpu/sched/pcpu_config.h"
#include "vcpu/sched/replay.h"
#include "vcpu/sched/schedule_log.h"

struct pcpu {
	struct cpu_mask host_cpu; /* that one alone */
	int current;		  /* index of the vCPU that holds it, or -1 */
	uint64_t slice_start_ns;  /* CLOCK_MONOTONIC */
	uint64_t slice_end_ns;
	bool timed;			       /* the timer of `current` will end the slice */
	bool extended;			       /* by the grace */
	size_t recorded;		       /* index of its slice in the log */
	const struct schedule_entry *replayed; /* that its slice repeats; NULL: the policy's */
};

/* What the scheduler keeps for the thread of one vCPU. */
struct pcpu_waiter {
	struct mv_hint *hint; /* what its guest tells and is told, or NULL; set before it starts */
	uint32_t granted;     /* futex: 1 while it holds a pCPU, or has to stop */
	pid_t tid;
	timer_t slice_timer;
	bool has_timer;
	unsigned affine_to;  /* pCPU that the thread is pinned to */
	uint64_t ready_ns;   /* when it began to wait */
	uint64_t expired_ns; /* when the slice ended that made room for it; 0: none did */
};

struct pcpus {
	struct pcpu_config config;
	struct schedule_log *record; /* takes down every decision; NULL: none does */
	struct replay *replay;	     /* makes them, as long as it can; NULL: the policy does */
	pthread_mutex_t lock;	     /* guards all below, but for the futex words */
	struct pcpu *pcpu;
	struct cpu_mask host_cpus;   /* those of all pCPUs */
	struct sched_entity *entity; /* [vm * nr_vcpus + vcpu] */
	struct pcpu_waiter *waiter;  /* likewise */
	unsigned nr_entities;
	struct slice_sums slices;
	uint64_t ticket;
	uint64_t random;
	uint64_t recorded_since_ns; /* CLOCK_MONOTONIC of the first slice in the log */
	bool stopping;
	bool between_parts;    /* see pcpus_end_part() */
	bool real_time;	       /* atomic: no thread of ours is preempted by another */
	bool kernel_schedules; /* see pcpus_let_kernel_schedule() */
};

#endif
