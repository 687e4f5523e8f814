/* SPDX-License-Identifier: MIT */
/* A guest that never ends. */
#include "guest.h"

static void loop_in_ring0(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	for (;;)
		asm volatile("");
}

static void loop_in_ring3(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	enter_ring3();
	for (;;)
		asm volatile("");
}

/* HLT that nothing can end: interrupts are off. */
static void halt_masked(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	for (;;)
		asm volatile("cli; hlt");
}

/* HLT that an interrupt would end, but none comes. */
static void halt_open(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	for (;;)
		asm volatile("sti; hlt");
}

static void halt_by_doorbell(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	idle();
}

/* A phase begins only when all vCPUs wait for it, and one never does. */
static void phase_without_all(const struct mv_boot_info *boot, uint32_t vcpu)
{
	if (vcpu == 0)
		loop_in_ring3(boot, vcpu);
	doorbell_load(MV_DB_PHASE);
}

/* Takes part in the first phase, and does not notice its end. */
static void phase_without_end(const struct mv_boot_info *boot, uint32_t vcpu)
{
	doorbell_load(MV_DB_PHASE);
	loop_in_ring3(boot, vcpu);
}

static void yield_for_ever(const struct mv_boot_info *boot, uint32_t vcpu)
{
	(void)boot, (void)vcpu;
	for (;;)
		doorbell_store(MV_DB_YIELD, MV_YIELD_ANY);
}

static const struct guest_case cases[] = {
	{ "loop-in-ring0", loop_in_ring0 },
	{ "loop-in-ring3", loop_in_ring3 },
	{ "halt-masked", halt_masked },
	{ "halt-open", halt_open },
	{ "halt-by-doorbell", halt_by_doorbell },
	{ "phase-without-all", phase_without_all },
	{ "phase-without-end", phase_without_end },
	{ "yield-for-ever", yield_for_ever },
};
GUEST_CASES(cases)
