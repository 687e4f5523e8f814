/* SPDX-License-Identifier: MIT */
/* Reads back the shootdowns and the states of vCPUs from a trace that minivmm wrote. */
#ifndef VMM_TRACE_READ_H
#define VMM_TRACE_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include "minivmm/abi.h"
#include "vcpu/base/error.h"
#include "vmm/trace/trace_log.h"

/* A vCPU's state from begin_ns to end_ns. Times count from the beginning of the run. */
struct trace_span {
	uint64_t begin_ns;
	uint64_t end_ns;
	bool runs;
	bool is_preempted; /* if it does not run: it could */
};

/* A part of a shootdown: the initiator waits for one target. */
struct trace_wait {
	uint64_t begin_ns;
	uint64_t end_ns;
	unsigned target; /* among all vCPUs */
};

struct trace_shootdown {
	unsigned mechanism;
	unsigned initiator; /* among all vCPUs */
	uint64_t begin_ns;
	uint64_t end_ns;
	uint64_t ipi_ns;   /* when the interrupts were sent, if any were */
	size_t first_wait; /* its waits follow each other */
	size_t nr_waits;
};

/* The spans of one vCPU, one behind the other. */
struct trace_spans {
	struct trace_span *span;
	size_t nr;
	size_t room;
};

#define TRACE_MECHANISMS_MAX (MV_MAX_MECHANISMS + 1) /* and "?" between phases */

struct trace_data {
	struct trace_counts counts;
	unsigned nr_vms;
	unsigned nr_vcpus;	   /* of each VM */
	struct trace_spans *spans; /* [vm * nr_vcpus + vcpu] */
	struct trace_shootdown *shootdown;
	size_t nr_shootdowns, shootdown_room;
	size_t nr_unfinished; /* when the trace ended; not among those above */
	struct trace_wait *wait;
	size_t nr_waits, wait_room;
	unsigned nr_mechanisms;
	char mechanism[TRACE_MECHANISMS_MAX][MV_NAME_BYTES];
};

/*
 * Reads a trace. 0, or -1 with an error: EXIT_USAGE with the number of the line if it is
 * not a whole trace of this version of minivmm, EXIT_HOST if there is not enough memory.
 */
int trace_read(FILE *in, const char *path, struct trace_data *ret_data, struct error *err);
void trace_data_finish(struct trace_data *data);

#endif
