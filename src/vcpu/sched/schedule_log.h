/* SPDX-License-Identifier: MIT */
/*
 * A schedule as it was carried out: who had which pCPU, for how long, and what ended it.
 *
 * Entries stand in the order in which pCPUs were granted, which gives both the order on each
 * pCPU and that of each vCPU's turns. An entry of its own stands where all vCPUs waited for a
 * phase: it divides the schedule into parts, which are followed one after the other and
 * otherwise have nothing to do with each other.
 */
#ifndef VCPU_SCHEDULE_LOG_H
#define VCPU_SCHEDULE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* X(id, name, forced, summary): how an entry ended; `forced` if by a forced exit. */
#define SLICE_ENDS(X)                                                               \
	X(begins_phase, "phase", false, "no slice: the vCPUs leave for this phase") \
	X(expired, "expired", true, "forced out, and the pCPU was given away")      \
	X(kept, "kept", true, "forced out, and kept the pCPU")                      \
	X(idle, "idle", true, "forced out, and found halted")                       \
	X(halted, "halted", false, "halted")                                        \
	X(yielded, "yielded", false, "gave its pCPU away")                          \
	X(blocked, "blocked", false, "waited for the next phase")                   \
	X(stopped, "stopped", false, "had the pCPU when the phase, the run or the log was over")

enum slice_end {
#define X(id, name, forced, summary) SLICE_##id,
	SLICE_ENDS(X)
#undef X
		NR_SLICE_ENDS
};

struct schedule_entry {
	uint64_t start_ns; /* since the first */
	uint64_t ran_ns;   /* from the grant to the end; to the forced exit, if one ended it */
	uint32_t vcpu;	   /* among all VMs'; of a phase: its mechanism, or SCHEDULE_NO_PHASE */
	uint16_t pcpu;
	uint16_t end; /* enum slice_end */
};

/* Entries that a log holds at most: 400 MB of them. */
#define SCHEDULE_MAX_ENTRIES (1u << 24)
#define SCHEDULE_NO_ENTRY    SIZE_MAX
#define SCHEDULE_NO_PHASE    UINT32_MAX /* the phases are over, the guests come to their ends */

struct schedule_log {
	struct schedule_entry *entry;
	size_t nr;
	size_t room;
	uint64_t lost; /* that came when it was full, or memory was short */
};

/* Appends an entry and returns its index; SCHEDULE_NO_ENTRY if it was lost. */
size_t schedule_log_add(struct schedule_log *log, const struct schedule_entry *entry);

/* Says how the slice at this index ended; for one that was lost does nothing. */
void schedule_log_end(struct schedule_log *log, size_t index, enum slice_end end, uint64_t ran_ns);

void schedule_log_finish(struct schedule_log *log);

bool slice_end_is_forced(unsigned end);
const char *slice_end_name(unsigned end);

/* The end of that name, or -1. */
int slice_end_find(const char *name);

#endif
