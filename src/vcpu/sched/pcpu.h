/* SPDX-License-Identifier: MIT */
/*
 * pCPUs: host CPUs that vCPUs take turns on.
 *
 * minivmm is the scheduler of its vCPUs. Each pCPU is a slot pinned to one host
 * CPU; every vCPU has a thread, and the thread lets its guest execute only while
 * it holds a slot. A timer ends the slice by forcing an exit. What the policy
 * (sched_policy.h) decides is carried out under one lock, because a decision looks at all
 * vCPUs (dispatch.h), and then by waking the thread that was chosen.
 *
 * The order of calls in a vCPU's thread: attach once; then acquire, any number of
 * preempt, and release, again and again. A vCPU is named by its index among the
 * vCPUs of all VMs.
 */
#ifndef VCPU_PCPU_H
#define VCPU_PCPU_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include "minivmm/abi.h"
#include "vcpu/base/cpu_mask.h"
#include "vcpu/base/error.h"
#include "vcpu/sched/replay.h"
#include "vcpu/sched/sched_policy.h"
#include "vcpu/sched/schedule_log.h"

/* How vCPUs share the pCPUs; times in nanoseconds. */
struct pcpu_config {
	const int *host_cpu; /* of each pCPU */
	unsigned nr_pcpus;
	unsigned nr_vms;
	unsigned nr_vcpus; /* of each VM */
	struct sched_slices slices;
	uint64_t grace_ns; /* by which a slice may be extended once; 0: never */
	const struct sched_policy *policy;
	uint64_t seed;
	struct schedule_log *record; /* takes down every decision; NULL: none does */
	struct replay *replay;	     /* makes them, as long as it can; NULL: the policy does */
};

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

/* Slices that ended by force: how long they should have lasted, and how long they did. */
struct slice_sums {
	uint64_t nr;
	uint64_t asked_ns;
	uint64_t had_ns;
};

struct pcpus {
	struct pcpu_config config;
	pthread_mutex_t lock; /* guards all below, but for the futex words */
	struct pcpu *pcpu;
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

/* 0, or -1 with an error (out of memory). */
int pcpus_init(struct pcpus *p, const struct pcpu_config *config, struct error *err);
/* After all threads have ended. */
void pcpus_finish(struct pcpus *p);

/* Makes the calling thread that of vCPU i. 0, or -1 with an error. */
int pcpus_attach(struct pcpus *p, unsigned i, struct error *err);

/*
 * Waits for a pCPU. Returns false if the run is over instead. *ret_waited_ns is how
 * long the vCPU could have run and did not.
 */
bool pcpus_acquire(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns);

/*
 * Gives the pCPU back; the vCPU wants none until it calls pcpus_acquire() again. `end`
 * says why: SLICE_halted or SLICE_blocked.
 */
void pcpus_release(struct pcpus *p, unsigned i, enum slice_end end);

/* Has vCPU i, which has no pCPU and wants none, kicked in so many ns; UINT64_MAX: not at all. */
void pcpus_kick_in(struct pcpus *p, unsigned i, uint64_t ns);

/*
 * Gives the pCPU to others and waits for the next turn; false if the run is over.
 * pcpus_preempt() does so only if the slice has ended and somebody waits, and
 * reports *ret_waited_ns as 0 otherwise; pcpus_yield() in any case.
 */
bool pcpus_preempt(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns);
bool pcpus_yield(struct pcpus *p, unsigned i, uint64_t *ret_waited_ns);

/*
 * The same, so that vCPU `target` runs next on its pCPU. If it runs already, nothing
 * happens: there is nothing to be gained.
 */
bool pcpus_yield_to(struct pcpus *p, unsigned i, unsigned target, uint64_t *ret_waited_ns);

/*
 * From now on the kernel shares out the host CPUs: every vCPU that wants a pCPU has
 * one at once, and threads compete for the host CPU that they are pinned to. Call it
 * while no vCPU holds a pCPU or waits for one.
 */
void pcpus_let_kernel_schedule(struct pcpus *p, bool yes);

/*
 * All vCPUs wait for a phase, and will leave for this one: its mechanism, or
 * SCHEDULE_NO_PHASE after the last. What is recorded and replayed is divided here.
 */
void pcpus_begin_part(struct pcpus *p, uint32_t phase);

/*
 * The phase is over, and the vCPUs will be told to go where they wait for the next. Until
 * that begins, nothing is recorded and the policy decides: whoever is there yields until
 * the last one is, thousands of times where the host is busy, and nobody wants that again.
 */
void pcpus_end_part(struct pcpus *p);

/*
 * Whether vCPU i holds a pCPU that another vCPU waits for, beyond its slice. Call it when it
 * has been forced out of the guest: real-time threads that wait for its host CPU run first.
 */
bool pcpus_slice_is_over(struct pcpus *p, unsigned i);

/*
 * When the slice ended by whose expiry vCPU i has its pCPU, or 0 if it got the pCPU
 * otherwise: the beginning of the hand-over that ends with its entry into the guest.
 */
uint64_t pcpus_expired_ns(const struct pcpus *p, unsigned i);

/*
 * Of all pCPUs; call it when no thread runs any more. They differ where the host's timers are
 * coarser than the slices that are asked for, and where it is busy.
 */
struct slice_sums pcpus_slice_sums(const struct pcpus *p);

/* Ends all waiting, now and for ever. Kick the vCPUs that run afterwards. */
void pcpus_stop(struct pcpus *p);
bool pcpus_are_stopping(const struct pcpus *p);

#endif
