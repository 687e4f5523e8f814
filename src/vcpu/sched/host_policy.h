/* SPDX-License-Identifier: MIT */
/*
 * How the host's scheduler treats our threads (sched(7)).
 *
 * A thread of a real-time policy is preempted by no other of its priority. The threads of vCPUs
 * that are pinned to one host CPU then wait for each other for ever, and so does the thread that
 * conducts the run, unless the one that holds a pCPU leaves the CPU to them at times.
 */
#ifndef VCPU_HOST_POLICY_H
#define VCPU_HOST_POLICY_H

#include <stdbool.h>
#include <sys/types.h>

/* Whether the calling thread has a real-time policy, SCHED_FIFO or SCHED_RR. */
bool host_policy_is_real_time(void);

/* Whether that is SCHED_FIFO, by which threads of one priority never take turns. */
bool host_policy_is_fifo(void);

/* The calling thread no longer preempts the one that wakes it, if its policy is SCHED_OTHER. */
void host_policy_let_wakers_finish(void);

/*
 * Raises the calling thread, if its policy is a real-time one, above those that have its
 * priority. False if that is not permitted, or there is no higher one.
 */
bool host_policy_rise(void);

/* Lowers the priority of a real-time thread by one; it stays if that is the lowest. */
void host_policy_sink(pid_t tid);

#endif
