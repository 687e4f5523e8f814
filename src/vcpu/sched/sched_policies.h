/* SPDX-License-Identifier: MIT */
/* The names of the scheduling policies and of how slices lie to each other. */
#ifndef VCPU_SCHED_POLICIES_H
#define VCPU_SCHED_POLICIES_H

/* X(id, name, summary): sched_pick_<id>() in sched_policy.c decides. One function, one line. */
#define SCHED_POLICIES(X)                                                                    \
	X(round_robin, "round-robin", "the vCPU that has waited longest runs next")          \
	X(random, "random", "a waiting vCPU drawn with --seed runs next")                    \
	X(gang, "gang", "siblings run at the same time, gang after gang, on aligned slices") \
	X(boost, "boost", "a vCPU whose answer to a shootdown is awaited runs next")         \
	X(host, "host", "the host's scheduler decides, on all pCPUs: no slices of minivmm's")

/* X(id, name, summary): when the slices of different pCPUs end. */
#define SLICE_ALIGNMENTS(X)                                                    \
	X(independent, "independent", "each pCPU ends its slices by itself")   \
	X(aligned, "aligned", "all pCPUs end their slices at the same moment") \
	X(anti, "anti", "every other pCPU ends its slices half a slice later")

#endif
