/* SPDX-License-Identifier: MIT */
/* What became of one thread, counted from its context switches. Pure; times in nanoseconds. */
#ifndef VMM_SWITCH_COUNTS_H
#define VMM_SWITCH_COUNTS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmm/watch/switch_record.h"

enum thread_state {
	THREAD_UNKNOWN, /* no record yet, or none since some were lost */
	THREAD_RUNS,
	THREAD_PREEMPTED,
	THREAD_SLEEPS,
};

/* Times off the CPU of one kind. */
struct absences {
	uint64_t nr;
	uint64_t in_kvm_run; /* of nr */
	uint64_t ns;
	uint64_t longest_ns;
};

struct switch_counts {
	enum thread_state state;
	uint64_t since_ns;   /* the state */
	uint32_t cpu;	     /* of the last record */
	bool was_in_kvm_run; /* what the last sample said of the switch that follows it */
	struct absences preempted;
	struct absences slept;
	uint64_t known_ns; /* for so long its state was known */
	uint64_t lost;	   /* records */
};

void switch_counts_take(struct switch_counts *c, const struct switch_record *r);

/* The counts if the present state ended now. */
struct switch_counts switch_counts_until(const struct switch_counts *c, uint64_t now_ns);

#endif
