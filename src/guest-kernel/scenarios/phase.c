/* SPDX-License-Identifier: MIT */
/* A phase, as each vCPU goes through it. */
#include "guest-kernel/scenarios/phase.h"

#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/clock.h"
#include "guest-kernel/shootdown/steal.h"

uint64_t vcpus_stopped;

static uint32_t running_phase(const struct mv_control *control)
{
	return __atomic_load_n(&control->phase, __ATOMIC_ACQUIRE);
}

/*
 * Waits until every vCPU is in this phase or marked preempted. A vCPU whose thread is still on
 * its way from the gate has neither a pCPU nor a mark, and an initiator that shot it would
 * wait for the host's scheduler.
 */
static void gather(struct percpu *self)
{
	uint64_t phases = self->phases + 1;

	__atomic_store_n(&self->phases, phases, __ATOMIC_RELEASE);
	for (uint32_t i = 0; i < self->nr_vcpus; i++) {
		while (__atomic_load_n(&percpus[i].phases, __ATOMIC_ACQUIRE) < phases &&
		       !steal_is_preempted(i))
			cpu_relax();
	}
}

/*
 * Waits until nobody can be waiting for this vCPU. The others may still be in their
 * last shootdown and need its answer, so it goes on taking interrupts, but leaves
 * the pCPU to them.
 */
static void drain(struct percpu *self)
{
	uint64_t all_stopped = self->phases * self->nr_vcpus;

	__atomic_add_fetch(&vcpus_stopped, 1, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&vcpus_stopped, __ATOMIC_ACQUIRE) < all_stopped)
		platform->yield();
}

/* A vCPU that got here only after the phase had ended does nothing in it. */
static void run_scenario(struct percpu *self, const struct scenario *scenario,
			 const struct mv_control *control)
{
	uint32_t phase = running_phase(control);
	uint64_t start_tsc = rdtsc();

	while (phase && running_phase(control) == phase) {
		scenario->round(self);
		if (platform->after_round)
			platform->after_round();
	}
	self->result->n.active_ns += clock_ticks_to_ns(rdtsc() - start_tsc);
}

void phase_run(struct percpu *self, const struct scenario *scenario,
	       const struct mv_control *control)
{
	gather(self);
	run_scenario(self, scenario, control);
	drain(self);
}
