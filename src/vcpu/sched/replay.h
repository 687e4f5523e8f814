/* SPDX-License-Identifier: MIT */
/*
 * Follows a recorded schedule: the same vCPUs on the same pCPUs, in the same order.
 *
 * The order is kept on each pCPU and for each vCPU, and a pCPU stays idle for as long
 * as the vCPU that is due on it can still come. What the guests execute meanwhile is
 * not repeated, so a vCPU may do something else than it did: it may halt where it ran
 * on, or wait for the next phase one turn earlier. A vCPU that waits for the next phase
 * needs no more turns in this part of the schedule: those it still has are left out. If a
 * vCPU that is due does not come at all, the replay has diverged, and the policy decides
 * until the next phase, where all vCPUs wait and the recording can be followed again.
 *
 * Pure, as the policies are: state and time are parameters.
 */
#ifndef VCPU_REPLAY_H
#define VCPU_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vcpu/sched/sched_policy.h"
#include "vcpu/sched/schedule_log.h"

struct replay_counts {
	uint64_t decisions;   /* in the recording */
	uint64_t followed;    /* of these: made again */
	uint64_t ended_alike; /* of these: the slice ended as it did in the recording */
	uint64_t by_policy;   /* made by the policy instead */
	uint64_t divergences; /* parts of the schedule that could not be followed to their ends */
	size_t first_entry;   /* number of the entry at which the first of them happened; from 1 */
	unsigned first_pcpu;  /* and what was recorded there: this pCPU ... */
	uint32_t first_vcpu;  /* ... was given to this vCPU, among all */
};

/* What comes next on a pCPU. */
struct replay_pcpu {
	size_t next;		   /* index of the entry that is due, or SCHEDULE_NO_ENTRY */
	uint64_t gap_ns;	   /* for which it was idle before that, when it was recorded */
	uint64_t end_ns;	   /* of the entry before, on the clock of the recording */
	uint64_t waiting_since_ns; /* for a vCPU that wants no pCPU; 0: it does not wait */
};

struct replay {
	const struct schedule_log *log;
	unsigned nr_pcpus;
	unsigned nr_vcpus; /* of all VMs */
	uint64_t patience_ns;
	size_t part_end;	  /* index of the entry behind the present part */
	struct replay_pcpu *pcpu; /* [nr_pcpus] */
	size_t *due;		  /* [nr_vcpus]: index of each one's next entry */
	size_t *later_on_pcpu;	  /* [entries]: the next on the same pCPU, in the same part */
	size_t *later_of_vcpu;	  /* likewise of the same vCPU */
	struct replay_counts counts;
};

/*
 * The log has to outlive the replay, and to name no other pCPUs and vCPUs than there
 * are. `patience_ns` is for how long a pCPU waits for a vCPU that is blocked, beyond
 * the time that it was idle in the recording. Returns 0, or -1 without memory.
 */
int replay_init(struct replay *r, const struct schedule_log *log, unsigned nr_pcpus,
		unsigned nr_vcpus, uint64_t patience_ns);
void replay_finish(struct replay *r);

/* While all vCPUs wait for a phase: goes on with the part that follows the next one. */
void replay_begin_part(struct replay *r);

/* The present part is over, with all that is recorded of it. */
void replay_end_part(struct replay *r);

#define REPLAY_BY_POLICY (-1) /* nothing is recorded for this pCPU any more */
#define REPLAY_WAIT	 (-2)

/* Who gets a free pCPU: the index of a vCPU that is ready, or one of the above. */
int replay_pick(struct replay *r, const struct sched_entity *entity, unsigned pcpu,
		uint64_t now_ns);

/* The vCPU that was picked has been given the pCPU: returns the entry that says for how long. */
const struct schedule_entry *replay_take(struct replay *r, unsigned pcpu);

/*
 * When a slice that begins now and replays `e` is to end by force (CLOCK_MONOTONIC): after the
 * time that it lasted in the recording, if it was ended by force there. If the vCPU gave up its
 * pCPU by itself there, it may take `regular_ns` longer.
 */
uint64_t replay_slice_end(const struct schedule_entry *e, uint64_t now_ns, uint64_t regular_ns);

/* A slice that replays `e` (NULL: that the policy granted) has ended. */
void replay_end_slice(struct replay *r, const struct schedule_entry *e, enum slice_end end);

/* The vCPU waits for the next phase: what else is recorded of it before that is void. */
void replay_leave_out(struct replay *r, unsigned vcpu);

/* Whether the vCPU that holds a pCPU is the one that is due there next. */
bool replay_keeps(struct replay *r, unsigned pcpu, unsigned vcpu);

/* Whether a vCPU loses its pCPU at the end of its slice: the recording has another slice for
 * this pCPU, or for this vCPU on any. */
bool replay_is_due(const struct replay *r, unsigned pcpu, unsigned vcpu);

/* Gives up on the present part if a pCPU has waited too long; returns whether it did. */
bool replay_lose_patience(struct replay *r, uint64_t now_ns);

#endif
