/* SPDX-License-Identifier: MIT */
/* What the host counts for one vCPU. */
#ifndef VCPU_STATS_H
#define VCPU_STATS_H

#include <stdint.h>

/* X(field, what it counts): times in nanoseconds. Written by the vCPU's thread alone. */
#define VCPU_STATS(X)                                                                       \
	X(slices, "times a pCPU was given to it")                                           \
	X(preemptions, "slices that ended by the timer, with another vCPU waiting")         \
	X(run_ns, "time on a pCPU")                                                         \
	X(cpu_ns, "CPU time of its thread: less than run_ns where the host had other work") \
	X(steal_ns, "time spent waiting for a pCPU")                                        \
	X(halted_ns, "time halted")                                                         \
	X(exits, "exits from KVM_RUN, all kinds")                                           \
	X(exits_kick, "of these: forced")                                                   \
	X(exits_doorbell, "of these: doorbell")                                             \
	X(exits_mmio, "of these: other addresses without memory")                           \
	X(exits_io, "of these: I/O ports")                                                  \
	X(exits_msr, "of these: MSR accesses")                                              \
	X(halts, "times it halted")                                                         \
	X(yields, "times it gave its pCPU away")                                            \
	X(marks, "times it was marked preempted")                                           \
	X(flush_requests, "times its byte asked for a flush when it was taken")             \
	X(flushes, "deferred flushes done for it")

struct vcpu_stats {
#define X(field, summary) uint64_t field;
	VCPU_STATS(X)
#undef X
};

#endif
