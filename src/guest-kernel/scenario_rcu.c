/* SPDX-License-Identifier: MIT */
/*
 * rcu: vCPU 0 replaces an object again and again and waits until no reader has the old one.
 *
 * Readers pay nothing for it: they count on entering and on leaving a read-side section,
 * with plain stores, and may load the pointer before their count is visible. So the
 * updater has to make every reader pass a barrier before it can believe the counts, and
 * then waits for those that are inside a section. That is the membarrier flavour of
 * user-level RCU (Desnoyers et al., IEEE TPDS 2012).
 *
 * The barrier is what a mechanism does to its targets. Whoever answers an interrupt, or
 * is flushed by the host, passes one; and a target that is preempted has passed one when
 * it was marked, since the mark is a locked operation of its own thread, and reads the
 * new pointer when it resumes. So a vCPU that is preempted outside a section is
 * quiescent, and only a mechanism that knows who is preempted need not wait for it:
 * the problem of "The RCU-Reader Preemption Problem in VMs" (Prasad, Gopinath and
 * McKenney, ATC 2017). For one that is preempted inside, everybody has to wait.
 *
 * What is measured as a shootdown is the grace period. The oracle checks that no reader
 * meets an object that was freed, which is poisoned.
 */
#include "fault.h"
#include "hint.h"
#include "mechanism.h"
#include "oracle.h"
#include "scenario.h"
#include "shootdown.h"
#include "work.h"
#include "x86.h"

#define UPDATER	   0
#define NR_OBJECTS 8 /* in rotation, so that poison stays for a while */

struct object {
	cache_aligned uint64_t generation;
};

static struct reader {
	cache_aligned uint64_t sections; /* entered plus left: odd inside a section */
} readers[MV_MAX_VCPUS];

static struct object objects[NR_OBJECTS];
static cache_aligned struct object *current; /* what readers find */
static uint64_t oldest_allowed;		     /* generation that a new section may find at least */
static uint64_t work_us, read_us;

static void rcu_init(const struct params *params, uint32_t nr_vcpus)
{
	(void)nr_vcpus;
	work_calibrate();
	work_us = params->work_us;
	read_us = params->read_us;
	current = &objects[1];
	current->generation = oldest_allowed = 1;
}

/*
 * Without a fence: the CPU may load what the section reads before this store is visible
 * to others. That is what the updater makes up for.
 */
static void section_boundary(struct reader *self)
{
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&self->sections, self->sections + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

static void check_object(struct percpu *self, const struct object *object, uint64_t allowed)
{
	oracle_count(&self->result->n, (uint64_t)object, allowed,
		     __atomic_load_n(&object->generation, __ATOMIC_RELAXED));
}

static void read_round(struct percpu *self)
{
	struct reader *reader = &readers[self->index];
	uint64_t allowed = __atomic_load_n(&oldest_allowed, __ATOMIC_ACQUIRE);

	section_boundary(reader);
	const struct object *object = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
	check_object(self, object, allowed);
	work_for_us(read_us);
	check_object(self, object, allowed);
	section_boundary(reader);
	work_for_us(work_us);
}

/* For one that was inside a section when it passed the barrier. */
static void wait_for_reader(uint32_t target)
{
	const uint64_t *sections = &readers[target].sections;
	uint64_t seen = __atomic_load_n(sections, __ATOMIC_ACQUIRE);

	if (!protocol.is_reading(seen))
		return;
	hint_await(target);
	while (__atomic_load_n(sections, __ATOMIC_ACQUIRE) == seen)
		cpu_relax();
	hint_await_no_more(target);
}

static void wait_for_grace_period(struct percpu *self)
{
	struct targets targets = self->others;
	struct moment start = shootdown_begin(self);

	self->mechanism->flush_others(self, &targets);
	for_each_target (target, &self->others)
		wait_for_reader(target);
	shootdown_end(self, &start, self->nr_targets);
}

static void update_round(struct percpu *self)
{
	struct object *old = current;
	uint64_t generation = old->generation + 1;
	struct object *new = &objects[generation % NR_OBJECTS];

	__atomic_store_n(&new->generation, generation, __ATOMIC_RELAXED);
	__atomic_store_n(&current, new, __ATOMIC_RELEASE);
	wait_for_grace_period(self);
	__atomic_store_n(&oldest_allowed, generation, __ATOMIC_RELEASE);
	__atomic_store_n(&old->generation, MV_POISON, __ATOMIC_RELEASE);
	self->result->n.ops++;
}

static void rcu_round(struct percpu *self)
{
	if (self->index == UPDATER)
		update_round(self);
	else
		read_round(self);
}

const struct scenario scenario_rcu = {
	.name = "rcu",
	.ops_unit = "grace periods",
	.init = rcu_init,
	.round = rcu_round,
};
