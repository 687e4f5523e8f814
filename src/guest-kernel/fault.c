/* SPDX-License-Identifier: MIT */
/* Faults of the guest, which the oracle has to catch. */
#include "fault.h"

#include "clock.h"
#include "lib.h"

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
 * series fixed). It bites only if the host resumes the target in between, so wait for
 * that. Where many vCPUs shoot, the requests of others make up for it: hence ping.
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

static const struct protocol sound = { "none", try_defer, vector_shootdown, &scenario_storm };

static const struct protocol faulty[] = {
	{ "skip-ipi-flush", try_defer, vector_shootdown_skipping_flush, &scenario_storm },
	{ "inverted-cmpxchg", try_defer_inverted, vector_shootdown, &scenario_ping },
};

struct protocol protocol;

void fault_select(const char *name)
{
	protocol = sound;
	for (unsigned i = 0; i < ARRAY_SIZE(faulty); i++)
		if (str_equal(faulty[i].fault, name))
			protocol = faulty[i];
}
