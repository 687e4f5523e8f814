/* SPDX-License-Identifier: MIT */
/*
 * Read-side sections, and grace periods that outlast them, for scenarios that free things.
 *
 * Readers pay nothing: they count on entering and on leaving a read-side section,
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
 */
#include "guest-kernel/shootdown/sections.h"

#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/mechanism.h"
#include "guest-kernel/shootdown/shootdown.h"

static struct reader {
	cache_aligned uint64_t sections; /* entered plus left: odd inside a section */
} readers[MV_MAX_VCPUS];

/*
 * There is no fence: the CPU may carry out the loads of the section before this store is
 * visible to others. The barrier of sections_wait() makes up for it.
 */
void section_boundary(const struct percpu *self)
{
	struct reader *reader = &readers[self->index];

	__atomic_signal_fence(__ATOMIC_SEQ_CST);
	__atomic_store_n(&reader->sections, reader->sections + 1, __ATOMIC_RELEASE);
	__atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* Waits until a target has left the section that it was in when it passed the barrier. */
static void wait_for_reader(uint32_t target)
{
	const uint64_t *sections = &readers[target].sections;
	uint64_t seen = __atomic_load_n(sections, __ATOMIC_ACQUIRE);

	if (!steps.is_reading(seen))
		return;
	hint_await(target);
	while (__atomic_load_n(sections, __ATOMIC_ACQUIRE) == seen)
		cpu_relax();
	hint_await_no_more(target);
}

void sections_wait(struct percpu *self)
{
	struct targets targets = self->targets;
	struct moment start = shootdown_begin(self);

	self->mechanism->flush_others(self, &targets);
	for_each_target (target, &self->targets)
		wait_for_reader(target);
	shootdown_end(self, &start, self->nr_targets);
}
