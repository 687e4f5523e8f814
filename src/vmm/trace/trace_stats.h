/* SPDX-License-Identifier: MIT */
/* `minivmm trace-stats FILE`: where the time of shootdowns went, the slowest above all. */
#ifndef VMM_TRACE_STATS_H
#define VMM_TRACE_STATS_H

#include <stdint.h>

#include "vmm/trace/trace_read.h"

/* What a shootdown's time may be spent on: X(id, text). They add up to all of it. */
#define TRACE_COSTS(X)                                                           \
	X(SENDER_OFF, "the initiator itself had no pCPU")                        \
	X(PREEMPTED_BEFORE, "targets that were preempted when the IPI was sent") \
	X(PREEMPTED_AFTER, "targets preempted after the IPI was sent")           \
	X(HALTED, "targets that were halted or waited for a phase")              \
	X(HANDLING, "running targets: delivery and handling of the IPI")         \
	X(UNKNOWN, "targets of which the trace does not tell")                   \
	X(SENDING, "the rest: looking at targets, deferring, sending")

enum trace_cost {
#define X(id, text) COST_##id,
	TRACE_COSTS(X)
#undef X
		NR_TRACE_COSTS
};

/* The time of one shootdown by what it was spent on, in nanoseconds. */
struct trace_costs {
	uint64_t ns[NR_TRACE_COSTS];
};
struct trace_costs trace_cost_of(const struct trace_data *data, const struct trace_shootdown *s);

/* Prints the table. */
void trace_stats_print(FILE *out, struct trace_data *data);

/* The subcommand; argv[0] is its name. Returns the exit status. */
int trace_stats_command(int argc, char *argv[]);

#endif
