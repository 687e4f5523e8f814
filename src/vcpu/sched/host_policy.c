/* SPDX-License-Identifier: MIT */
/* How the host's scheduler treats our threads. */
#define _GNU_SOURCE /* SCHED_BATCH, SCHED_RESET_ON_FORK */
#include "vcpu/sched/host_policy.h"

#include <sched.h>

static int policy(void)
{
	int flags = sched_getscheduler(0);

	return flags < 0 ? SCHED_OTHER : flags & ~SCHED_RESET_ON_FORK;
}

bool host_policy_is_fifo(void)
{
	return policy() == SCHED_FIFO;
}

bool host_policy_is_real_time(void)
{
	return policy() == SCHED_FIFO || policy() == SCHED_RR;
}

/*
 * A thread of SCHED_BATCH does not preempt the one that wakes it. Another one would: the thread
 * that gives its pCPU away would be stopped before it sleeps, and would go to sleep in the
 * middle of the next one's slice. A policy that the user has chosen stays.
 */
void host_policy_let_wakers_finish(void)
{
	if (sched_getscheduler(0) == SCHED_OTHER)
		sched_setscheduler(0, SCHED_BATCH, &(struct sched_param){ 0 });
}

bool host_policy_rise(void)
{
	struct sched_param param;

	if (!host_policy_is_real_time())
		return true;
	if (sched_getparam(0, &param))
		return false;
	param.sched_priority++;
	return sched_setparam(0, &param) == 0;
}

void host_policy_sink(pid_t tid)
{
	struct sched_param param;

	if (sched_getparam(tid, &param) || param.sched_priority <= 1)
		return;
	param.sched_priority--;
	sched_setparam(tid, &param);
}
