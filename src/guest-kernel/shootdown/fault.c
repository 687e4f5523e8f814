/* SPDX-License-Identifier: MIT */
/* Faults of the guest, which the oracle has to catch. */
#include "guest-kernel/shootdown/fault.h"

#include "guest-kernel/base/lib.h"
#include "guest-kernel/cpu/clock.h"

/* A race is given this long to happen: more than a slice of the usual length. */
#define WIDENED_WINDOW_NS 5000000

static void wait_for_race(const uint8_t *preempted, uint8_t state)
{
	uint64_t start = rdtsc();

	while (__atomic_load_n(preempted, __ATOMIC_RELAXED) == state &&
	       clock_ticks_to_ns(rdtsc() - start) < WIDENED_WINDOW_NS)
		cpu_relax();
}

/*
 * pv_try_defer() with its answers mixed up: a target that was resumed after the look
 * counts as deferred and gets no interrupt (the bug that version 2 of the original
 * series fixed). It does harm only if the host resumes the target between the look and the
 * exchange, so the initiator waits here for that to happen. Where many vCPUs shoot, the next
 * request makes the target flush and hides the fault: hence the scenario ping, in which one
 * vCPU shoots.
 */
static enum pv_defer try_defer_inverted(uint8_t *preempted)
{
	uint8_t state = __atomic_load_n(preempted, __ATOMIC_RELAXED);

	if (!(state & KVM_VCPU_PREEMPTED))
		return PV_RUNNING;

	wait_for_race(preempted, state);
	bool ok = __atomic_compare_exchange_n(preempted, &state, state | KVM_VCPU_FLUSH_TLB, false,
					      __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	return ok ? PV_RACED : PV_DEFERRED;
}

static enum pv_defer try_defer(uint8_t *preempted)
{
	return pv_try_defer(preempted);
}

static void do_not_flush_self(const struct percpu *self, const struct range *unmap)
{
	(void)self;
	(void)unmap;
}

static void catch_up(void)
{
	flush_all();
}

static void do_not_catch_up(void)
{
}

static bool is_reading(uint64_t sections)
{
	return sections & 1;
}

static bool is_never_reading(uint64_t sections)
{
	(void)sections;
	return false;
}

static void do_not_linger(const struct kvm_steal_time *own)
{
	(void)own;
}

/* Makes sections long, so that a reader that loses its pCPU is nearly always inside one. */
static void linger_until_preempted(const struct kvm_steal_time *own)
{
	uint64_t start = rdtsc(), stolen_ns = pv_read_steal(own);

	while (pv_read_steal(own) == stolen_ns &&
	       clock_ticks_to_ns(rdtsc() - start) < WIDENED_WINDOW_NS)
		cpu_relax();
}

/* Sound, unless fault_select() is told otherwise. */
struct steps steps = {
	.try_defer = try_defer,
	.answer_ipi = vector_shootdown,
	.flush_self = shootdown_flush_self,
	.catch_up = catch_up,
	.is_reading = is_reading,
	.linger = do_not_linger,
	.scenario = "storm",
};

void fault_select(const char *name)
{
	if (str_equal(name, "skip-ipi-flush"))
		steps.answer_ipi = vector_shootdown_skipping_flush;
	if (str_equal(name, "skip-local-flush"))
		steps.flush_self = do_not_flush_self;
	if (str_equal(name, "inverted-cmpxchg")) {
		steps.try_defer = try_defer_inverted;
		steps.scenario = "ping";
	}
	if (str_equal(name, "skip-lazy-flush")) {
		steps.catch_up = do_not_catch_up;
		steps.scenario = "lazy";
	}
	if (str_equal(name, "drop-dirty-entry"))
		steps.scenario = "dirty";
	if (str_equal(name, "free-early")) {
		steps.is_reading = is_never_reading;
		steps.linger = linger_until_preempted;
		steps.scenario = "tables";
	}
	if (str_equal(name, "skip-readers")) {
		steps.is_reading = is_never_reading;
		steps.linger = linger_until_preempted;
		steps.scenario = "rcu";
	}
}
