/* SPDX-License-Identifier: MIT */
/* A guest that writes what it likes into the rings of its trace. */
#include "guest.h"
#include "minivmm/trace_abi.h"

static uint32_t finished;

static uint64_t next_random(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

static void finish(const struct mv_boot_info *boot)
{
	if (__atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST) != boot->nr_vcpus)
		idle();
}

static struct mv_trace_ring *own_ring(const struct mv_boot_info *boot, uint32_t vcpu)
{
	const struct mv_trace_ring *first = (const struct mv_trace_ring *)boot->trace_gpa;

	expect(boot->trace_gpa != 0, "no rings in the boot information");
	expect(boot->trace_bytes == boot->nr_vcpus * MV_TRACE_RING_BYTES(first->nr_events),
	       "rings of another size than the boot information says");
	return (struct mv_trace_ring *)(boot->trace_gpa +
					vcpu * MV_TRACE_RING_BYTES(first->nr_events));
}

/* Random words all over the rings, heads and sizes too. */
static void rubbish(const struct mv_boot_info *boot, uint32_t vcpu)
{
	uint64_t random = boot->seed | 1;

	if (vcpu != 0)
		idle();
	uint64_t *word = (uint64_t *)own_ring(boot, 0);
	enter_ring3();
	for (uint64_t i = 0; i < boot->trace_bytes / sizeof(*word); i++)
		word[i] = next_random(&random);
}

/* Events that could be true one by one, in an order that makes no sense. */
static void plausible(const struct mv_boot_info *boot, uint32_t vcpu)
{
	struct mv_trace_ring *ring = own_ring(boot, vcpu);
	uint64_t random = boot->seed ^ (vcpu + 1);

	enter_ring3();
	for (uint32_t i = 0; i < ring->nr_events; i++)
		mv_trace_record(ring, read_tsc(), next_random(&random) % 7,
				next_random(&random) % 3, next_random(&random) % 20);
	finish(boot);
}

/* Everything was recorded in the future, or before the run. */
static void wrong_times(const struct mv_boot_info *boot, uint32_t vcpu)
{
	struct mv_trace_ring *ring = own_ring(boot, vcpu);

	enter_ring3();
	for (uint32_t i = 0; i < 1000; i++)
		mv_trace_record(ring, i % 2 ? UINT64_MAX - i : i, MV_TRACE_SHOOTDOWN_BEGIN, 0, 1);
	finish(boot);
}

static const struct guest_case cases[] = {
	{ "rubbish", rubbish },
	{ "plausible", plausible },
	{ "wrong-times", wrong_times },
};
GUEST_CASES(cases)
