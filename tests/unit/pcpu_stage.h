/* SPDX-License-Identifier: MIT */
/*
 * A stage for tests of pCPUs, with real threads. Each vCPU's thread makes the calls
 * that the test tells it to, one by one, so that the order of events is the test's;
 * what is still under way is waited for, however long it takes.
 */
#ifndef TESTS_PCPU_STAGE_H
#define TESTS_PCPU_STAGE_H

#include <pthread.h>

#include "vcpu/sched/pcpu.h"
#include "vcpu/sched/pcpu_state.h"

/* vCPUs 0, 2, 3 and 5 are at home on pCPU 0, vCPUs 1 and 4 on pCPU 1. */
#define NR_PCPUS 2
#define NR_VMS	 2
#define PER_VM	 3
#define NR	 (NR_VMS * PER_VM)

/* Slices, in nanoseconds. */
#define OVER_AT_ONCE 1
#define NEVER_OVER   1000000000000000ull /* 11 days */

/* A set of vCPUs has bit i for vCPU i. */
#define BIT(i) (1u << (i))

/*
 * RELEASE is that of a vCPU that halts, BLOCK of one that waits for the next phase.
 * AWAIT_KICK waits for the slice timer's signal; END ends the thread.
 */
enum call { ACQUIRE, RELEASE, BLOCK, PREEMPT, YIELD, YIELD_TO, AWAIT_KICK, END };

struct actor {
	struct stage *stage;
	unsigned i;
	pthread_t thread;
	bool busy; /* with this call: */
	enum call call;
	unsigned target; /* YIELD_TO */
	bool alive;	 /* what it returned */
	uint64_t waited_ns;
	int attached; /* what pcpus_attach() returned */
	int host_cpu; /* that the thread is pinned to */
};

struct stage {
	struct pcpus *pcpus;
	int host_cpu[NR_PCPUS];
	struct mv_hint hint[NR];
	pthread_mutex_t lock; /* guards the actors */
	pthread_cond_t changed;
	struct actor actor[NR];
};

/* Round-robin and independent slices of this length, without a grace. */
struct pcpu_config stage_config(uint64_t slice_ns);

void stage_start(struct stage *s, struct pcpu_config config);
/* With stage_config(), and vCPUs 0 and 1 have the pCPUs. */
void stage_start_busy(struct stage *s, uint64_t slice_ns);
void stage_finish(struct stage *s);

/* Lets vCPU i begin a call, and waits until it has returned; returns what it says. */
bool stage_call(struct stage *s, unsigned i, enum call call);

/* Lets it begin a call that waits for a pCPU, and returns once it does wait. */
void stage_begin_waiting(struct stage *s, unsigned i, enum call call);

/* Waits until the call has returned. */
bool stage_end(struct stage *s, unsigned i);

/* The vCPUs that have a pCPU. */
unsigned stage_running(struct stage *s);

/* vCPU i has this pCPU, its call has returned, and its thread is pinned there. */
void stage_assert_runs_on(struct stage *s, unsigned i, unsigned pcpu);

/* Until a slice of one nanosecond that has begun is over. */
void stage_let_time_pass(void);

/* Host CPUs to pin to: different ones, if there are so many. */
void stage_choose_host_cpus(int host_cpu[NR_PCPUS]);

/* Blocks the slice timers' signal, for this thread and those that it makes. */
void stage_block_kicks(void);

#endif
