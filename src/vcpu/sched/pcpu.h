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

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"
#include "vcpu/base/error.h"
#include "vcpu/sched/pcpu_config.h"
#include "vcpu/sched/replay.h"
#include "vcpu/sched/sched_policy.h"
#include "vcpu/sched/schedule_log.h"

struct pcpus; /* pcpu_state.h defines it, for pcpu.c and dispatch.c alone */

/* NULL with an error (EXIT_HOST) if there is not enough memory. */
struct pcpus *pcpus_create(const struct pcpu_config *config, struct error *err);
/* After all threads have ended; NULL is fine. */
void pcpus_destroy(struct pcpus *p);

/*
 * Before the first vCPU wants a pCPU: every decision will be taken down in `record`, unless it is
 * NULL, and `replay` makes them as long as it can, unless that is NULL. Both stay the caller's.
 */
void pcpus_set_schedule(struct pcpus *p, struct schedule_log *record, struct replay *replay);

/* Before vCPU i first wants a pCPU: where its guest and the scheduler read each other's notes. */
void pcpus_set_hint(struct pcpus *p, unsigned i, struct mv_hint *hint);

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
 * while no vCPU holds a pCPU or waits for one. With a policy that is the host's it is so from the
 * start and at all times, and threads may run on the host CPUs of all pCPUs.
 */
void pcpus_let_kernel_schedule(struct pcpus *p, bool yes);

/*
 * All vCPUs wait for a phase, and will leave for this one: its mechanism, or
 * SCHEDULE_NO_PHASE after the last. What is recorded and replayed is divided here.
 */
void pcpus_begin_part(struct pcpus *p, uint32_t phase);

/*
 * The phase is over, and the vCPUs will be told to wait for the next one. Until that begins,
 * nothing is recorded and the policy decides: a vCPU that has arrived yields until the last one
 * has, thousands of times on a busy host, and no replay needs those decisions.
 */
void pcpus_end_part(struct pcpus *p);

/*
 * Whether the slice of vCPU i is over and another vCPU waits for its pCPU. Call it when i has
 * been forced out of the guest: real-time threads that wait for its host CPU run first.
 */
bool pcpus_slice_is_over(struct pcpus *p, unsigned i);

/* The pCPU that vCPU i holds, asked by its own thread; -1 while the kernel shares out host CPUs. */
int pcpus_held_by(const struct pcpus *p, unsigned i);

/* Whether vCPU i neither holds a pCPU nor waits for one; call it when no thread runs any more. */
bool pcpus_is_blocked(const struct pcpus *p, unsigned i);

/*
 * When the slice expired (CLOCK_MONOTONIC) after which vCPU i was given its pCPU: the hand-over
 * begins then, and ends when i enters the guest. 0 if it got the pCPU in another way.
 */
uint64_t pcpus_expired_ns(const struct pcpus *p, unsigned i);

/*
 * Of all pCPUs; call it when no thread runs any more. Slices last longer than asked for where
 * the host's timers are coarser than the slices, and where it is busy.
 */
struct slice_sums pcpus_slice_sums(const struct pcpus *p);

/* Ends all waiting, now and for ever. Kick the vCPUs that run afterwards. */
void pcpus_stop(struct pcpus *p);
bool pcpus_are_stopping(const struct pcpus *p);

#endif
