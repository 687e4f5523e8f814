/* SPDX-License-Identifier: MIT */
/*
 * rcu: vCPU 0 replaces an object again and again and waits until no reader has the old one.
 *
 * Readers pay nothing for that; the updater pays, by the mechanism of the phase: see sections.c.
 * The grace period is what is measured as a shootdown. Freed objects are poisoned, and the
 * oracle checks that no reader meets one.
 */
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/sections.h"

#define UPDATER	   0
#define NR_OBJECTS 8 /* in rotation, so that poison stays for a while */

struct object {
	cache_aligned uint64_t generation;
};

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

static uint64_t look_at(const struct object *object)
{
	return __atomic_load_n(&object->generation, __ATOMIC_RELAXED);
}

static void read_round(struct percpu *self)
{
	uint64_t allowed = __atomic_load_n(&oldest_allowed, __ATOMIC_ACQUIRE);

	section_boundary(self);
	const struct object *object = __atomic_load_n(&current, __ATOMIC_ACQUIRE);
	uint64_t first = look_at(object);
	oracle_count(&self->result->n, (uint64_t)object, allowed, first);
	work_for_us(read_us);
	steps.linger(&self->steal);
	uint64_t last = look_at(object);
	/* Another one in its place is as bad as poison: it was freed and used again. */
	oracle_count(&self->result->n, (uint64_t)object, allowed, last == first ? last : MV_POISON);
	section_boundary(self);
	work_for_us(work_us);
}

static void update_round(struct percpu *self)
{
	struct object *old = current;
	uint64_t generation = old->generation + 1;
	struct object *new = &objects[generation % NR_OBJECTS];

	__atomic_store_n(&new->generation, generation, __ATOMIC_RELAXED);
	__atomic_store_n(&current, new, __ATOMIC_RELEASE);
	sections_wait(self);
	__atomic_store_n(&oldest_allowed, generation, __ATOMIC_RELEASE);
	__atomic_store_n(&old->generation, MV_POISON, __ATOMIC_RELEASE);
	self->result->n.ops++;
}

static void rcu_round(struct percpu *self)
{
	if (self->index == UPDATER)
		update_round(self);
	else if (scenario_is_target(self, UPDATER))
		read_round(self);
}

const struct scenario scenario_rcu = {
	.ops_unit = "grace periods",
	.init = rcu_init,
	.round = rcu_round,
};
