/* SPDX-License-Identifier: MIT */
/* Phases, where no host leads the guest through them. */
#include "guest-kernel/pvh/phases.h"

#include "guest-kernel/base/lib.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/pvh/shared.h"

#define NS_PER_MS 1000000ull

static struct {
	uint64_t arrived; /* at the gate, over all phases; atomic */
	uint64_t begun;	  /* phases; atomic */
	uint64_t nr;	  /* phases to run */
	uint64_t ticks;	  /* of a phase */
	uint64_t end_tsc; /* of this one */
	uint32_t mechanism;
} phases;

static struct mv_control *control(void)
{
	return (struct mv_control *)MV_CONTROL_GPA;
}

void phases_init(uint64_t duration_ms)
{
	memset(control(), 0, sizeof(*control()));
	phases.nr = duration_ms / PHASE_MS * pvh_boot.nr_mechanisms;
	phases.ticks = ((PHASE_MS * NS_PER_MS) << 32) / pvh_boot.ns_per_tick_32;
}

/* By the last vCPU to arrive: all others wait. */
static void begin_phase(void)
{
	if (phases.begun == phases.nr) {
		phases.mechanism = MV_PHASE_END;
	} else {
		phases.mechanism = (uint32_t)(phases.begun % pvh_boot.nr_mechanisms);
		phases.end_tsc = rdtsc() + phases.ticks;
		__atomic_store_n(&control()->phase, (uint32_t)phases.begun + 1, __ATOMIC_RELEASE);
	}
	__atomic_add_fetch(&phases.begun, 1, __ATOMIC_RELEASE);
}

uint32_t phases_wait(void)
{
	uint64_t arrival = __atomic_fetch_add(&phases.arrived, 1, __ATOMIC_SEQ_CST);
	uint64_t before = arrival / pvh_boot.nr_vcpus;

	if (arrival % pvh_boot.nr_vcpus == pvh_boot.nr_vcpus - 1)
		begin_phase();
	while (__atomic_load_n(&phases.begun, __ATOMIC_ACQUIRE) == before)
		cpu_relax();
	return phases.mechanism;
}

void phases_after_round(void)
{
	if (rdtsc() > phases.end_tsc)
		__atomic_store_n(&control()->phase, 0, __ATOMIC_RELEASE);
}
