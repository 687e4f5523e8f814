/* SPDX-License-Identifier: MIT */
/*
 * What was recorded: events read from the rings of a machine that has stopped, and checked.
 *
 * A guest's rings are the guest's word. Their size is ours, each event is copied once
 * and then checked, and one that makes no sense is counted and skipped.
 */
#ifndef VMM_TRACE_LOG_H
#define VMM_TRACE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "vcpu/cpu/trace.h"

/* A ring, and its size as the VMM knows it. */
struct trace_view {
	const struct mv_trace_ring *ring;
	uint32_t nr_events;
};

/* All that was recorded in a run. vCPUs of all VMs: [vm * nr_vcpus + vcpu]. */
struct trace_log {
	unsigned nr_vms;
	unsigned nr_vcpus; /* of each VM */
	unsigned nr_pcpus;
	const int *host_cpu; /* of each pCPU */
	unsigned nr_mechanisms;
	const char *const *mechanism;
	uint64_t tsc_hz;
	uint64_t start_tsc; /* the run: no event is outside */
	uint64_t end_tsc;
	struct trace_view *host;
	struct trace_view *guest;
	struct trace_view phases; /* of the conductor */
};

/* Events by what became of them. */
struct trace_counts {
	uint64_t recorded;
	uint64_t lost;	  /* overwritten by later ones because a ring was full */
	uint64_t cut;	  /* still there, but from before the oldest of another ring */
	uint64_t invalid; /* of guests: made no sense */
};

/* Reads a ring from its oldest event on. */
struct trace_cursor {
	const struct mv_trace_ring *ring;
	uint32_t nr_events;
	uint64_t next;
	uint64_t left;
	/* of a guest's ring: what its events are checked against */
	bool is_guest;
	unsigned nr_vcpus;
	uint64_t last_tsc;
	uint64_t end_tsc;
	uint64_t invalid;
};

struct trace_cursor trace_cursor_host(const struct trace_log *log, unsigned i);
struct trace_cursor trace_cursor_guest(const struct trace_log *log, unsigned i);
struct trace_cursor trace_cursor_phases(const struct trace_log *log);

/* The next event that makes sense; false if there is none. */
bool trace_cursor_next(struct trace_cursor *c, struct mv_trace_event *ret_event);

/*
 * From when on every ring has all its events: a full ring has lost its beginning, and what
 * others recorded by then cannot be told in full.
 */
uint64_t trace_log_window(const struct trace_log *log);

/* Counts events, with those of before `window_tsc` as cut. */
struct trace_counts trace_log_count(const struct trace_log *log, uint64_t window_tsc);

#endif
