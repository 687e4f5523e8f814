/* SPDX-License-Identifier: MIT */
/* The names of the scheduling policies: which waiting vCPU gets a free pCPU. */
#ifndef VCPU_SCHED_POLICIES_H
#define VCPU_SCHED_POLICIES_H

/* X(id, name, summary): sched_pick_<id>() in sched.c decides. One function, one line. */
#define SCHED_POLICIES(X)                                                           \
	X(round_robin, "round-robin", "the vCPU that has waited longest runs next") \
	X(random, "random", "a waiting vCPU drawn with --seed runs next")

#endif
