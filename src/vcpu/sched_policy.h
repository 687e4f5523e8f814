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

#include "sched_policies.h"

enum sched_state {
	SCHED_BLOCKED, /* halted, waiting for a phase, or not started: wants no pCPU */
	SCHED_READY,   /* waits for a pCPU */
	SCHED_RUNNING, /* has one */
};

/* A vCPU as the scheduler sees it. */
struct sched_entity {
	unsigned vm;
	unsigned home; /* the pCPU that it belongs to; others take it only when they are idle */
	unsigned pcpu; /* that it runs on, or ran on last */
	enum sched_state state;
	uint64_t ready_since; /* ticket: who has waited longest has the lowest */
};

/* All that a decision may depend on. */
struct sched_view {
	const struct sched_entity *entity;
	unsigned nr_entities;
	unsigned pcpu;	 /* that is free */
	uint64_t random; /* a fresh random number */
};

struct sched_policy {
	const char *name;
	const char *summary;
	/* The index of the entity that runs next, or -1 if the pCPU stays idle. */
	int (*pick)(const struct sched_view *view);
};

extern const struct sched_policy sched_policies[];
extern const unsigned nr_sched_policies;

/* The policy of that name, or NULL. */
const struct sched_policy *sched_policy_find(const char *name);

/* Whether anybody waits whom `pcpu` would serve. */
bool sched_has_waiter(const struct sched_entity *entity, unsigned nr_entities, unsigned pcpu);

/*
 * The length of a slice: slice_ns, more or less by up to jitter_pct percent. Without
 * jitter the slices of two pCPUs keep their phase for ever, and a figure measured
 * then holds for that phase alone.
 */
uint64_t sched_slice_ns(uint64_t slice_ns, unsigned jitter_pct, uint64_t random);

/* The next number of a random sequence (splitmix64, Steele et al., OOPSLA 2014). */
uint64_t sched_random(uint64_t *state);

#endif
