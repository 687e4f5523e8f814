/* SPDX-License-Identifier: MIT */
/*
 * lazy: targets that are away in another address space need no flush now.
 *
 * Every vCPU works in the shared address space, shoots, and is away for a while. An
 * initiator leaves out those who are away; they flush when they come back, if anybody
 * has shot meanwhile. Linux does so for CPUs in lazy TLB mode: see tlb_gen and
 * should_flush_tlb() in arch/x86/mm/tlb.c.
 *
 * Away means one of two things. With away=borrow a vCPU runs something that has no address
 * space of its own, such as a kernel thread, on the tables that are loaded already: leaving
 * costs nothing, and coming back costs a look at the generation. With away=switch the
 * vCPU loads another CR3, and to load its own again flushes in any case.
 *
 * The generation grows after the PTE stores, and then the initiator looks who is away;
 * a vCPU that comes back says so, and then looks at the generation. Both are locked
 * operations: either the initiator sees that the vCPU is back and interrupts it, or
 * the vCPU sees the new generation and flushes.
 */
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/scenarios/work.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/shootdown.h"

static struct presence {
	cache_aligned uint32_t away; /* atomic: written by the vCPU, read by initiators */
	uint64_t flushed_generation; /* the vCPU's own: when it last came back and flushed */
} presence[MV_MAX_VCPUS];

static cache_aligned uint64_t generation; /* atomic: shootdowns begun, by anyone */
static uint64_t work_us, away_us;
static bool switches; /* away is in another CR3 */

static void lazy_init(const struct params *params, uint32_t nr_vcpus)
{
	(void)nr_vcpus;
	work_calibrate();
	work_us = params->work_us;
	away_us = params->away_us;
	switches = params->away == PARAM_away_switch;
}

/* The store is a release, so that all reads through shared mappings come before it. */
static void leave(const struct percpu *self)
{
	__atomic_store_n(&presence[self->index].away, 1, __ATOMIC_RELEASE);
	if (switches)
		load_cr3(paging_boot_cr3());
}

/*
 * Says first that it is back, and looks at the generation afterwards: an initiator that did not
 * see it back has made the generation grow before.
 */
static void come_back(const struct percpu *self)
{
	struct presence *own = &presence[self->index];

	__atomic_exchange_n(&own->away, 0, __ATOMIC_SEQ_CST);
	if (switches) {
		load_cr3((uint64_t)self->pml4);
		return;
	}
	uint64_t now = __atomic_load_n(&generation, __ATOMIC_SEQ_CST);
	if (now != own->flushed_generation) {
		own->flushed_generation = now;
		steps.catch_up();
	}
}

static uint32_t leave_out_absent(struct targets *targets)
{
	uint32_t present = 0;

	__atomic_add_fetch(&generation, 1, __ATOMIC_SEQ_CST);
	for_each_target (target, targets) {
		if (__atomic_load_n(&presence[target].away, __ATOMIC_ACQUIRE))
			targets_remove(targets, target);
		else
			present++;
	}
	return present;
}

static void lazy_round(struct percpu *self)
{
	static const struct range nothing;

	scenario_work(self, work_us);
	shootdown(self, &nothing, leave_out_absent);
	self->result->n.ops++;

	leave(self);
	work_for_us(away_us);
	come_back(self);
}

const struct scenario scenario_lazy = {
	.ops_unit = "rounds",
	.init = lazy_init,
	.round = lazy_round,
};
