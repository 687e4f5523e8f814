/* SPDX-License-Identifier: MIT */
/*
 * Scheduling policy: which vCPU runs next, and for how long.
 *
 * Pure: the state of all vCPUs, the time and the random numbers are parameters, so
 * that a policy is tested without threads, clocks or KVM. pcpu.c carries out what
 * is decided here.
 */
#ifndef VCPU_SCHED_POLICY_H
#define VCPU_SCHED_POLICY_H

#include <stdbool.h>
#include <stdint.h>

#include "vcpu/sched/sched_policies.h"

enum sched_state {
	SCHED_BLOCKED, /* halted, waiting for a phase, or not started: wants no pCPU */
	SCHED_READY,   /* waits for a pCPU */
	SCHED_RUNNING, /* has one */
};

/* A vCPU as the scheduler sees it. */
struct sched_entity {
	unsigned vm;
	unsigned gang; /* siblings that can run at the same time share this number */
	unsigned home; /* the pCPU that it belongs to; others take it only when they are idle */
	unsigned pcpu; /* that it runs on, or ran on last */
	enum sched_state state;
	uint64_t ready_since; /* ticket: who has waited longest has the lowest */
	uint64_t granted_at;  /* the next ticket when it was last given a pCPU */
	bool awaited;	      /* an initiator waits for it; known to policies that use hints */
};

/* All that a decision may depend on. */
struct sched_view {
	const struct sched_entity *entity;
	unsigned nr_entities;
	unsigned nr_gangs;
	unsigned pcpu;	 /* that is free */
	uint64_t turn;	 /* number of the present slice, see sched_turn() */
	uint64_t random; /* a fresh random number */
};

struct sched_policy {
	const char *name;
	const char *summary;
	bool uses_hints;      /* sched_entity.awaited has to be filled in */
	bool needs_alignment; /* makes sense with aligned slices only */
	bool is_hosts;	      /* nothing is decided: see pcpus_let_kernel_schedule() */
	/* The index of the entity that runs next, or -1 if the pCPU stays idle. */
	int (*pick)(const struct sched_view *view);
};

enum sched_policy_index {
#define X(id, name, summary) POLICY_##id,
	SCHED_POLICIES(X)
#undef X
};

/* By enum sched_policy_index. */
extern const struct sched_policy sched_policies[];
extern const unsigned nr_sched_policies;

/* Whether anybody waits whom `pcpu` would serve. */
bool sched_has_waiter(const struct sched_entity *entity, unsigned nr_entities, unsigned pcpu);

enum slice_alignment {
#define X(id, name, summary) SLICES_##id,
	SLICE_ALIGNMENTS(X)
#undef X
};

/* How long slices last and when they end. */
struct sched_slices {
	uint64_t slice_ns;
	unsigned jitter_pct; /* a slice is longer or shorter by up to this share */
	enum slice_alignment alignment;
	uint64_t seed;
};

/*
 * When a slice that begins on a pCPU now will end. Without jitter the ends of the slices of
 * two pCPUs keep their distance for ever, and a figure that is measured holds for that distance
 * alone. Independent slices use `random`, a fresh random number; the others end on a grid
 * that the seed decides.
 */
uint64_t sched_slice_end(const struct sched_slices *s, unsigned pcpu, uint64_t now_ns,
			 uint64_t random);

/* The number of the present slice on the grid of aligned slices. */
uint64_t sched_turn(const struct sched_slices *s, uint64_t now_ns);

#endif
