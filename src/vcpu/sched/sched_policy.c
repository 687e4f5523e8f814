/* SPDX-License-Identifier: MIT */
/* Scheduling policy: which vCPU runs next, and for how long. */
#include "vcpu/sched/sched_policy.h"

#include "vcpu/base/random.h"

static bool waits_for(const struct sched_entity *e, unsigned pcpu)
{
	return e->state == SCHED_READY && e->home == pcpu;
}

bool sched_has_waiter(const struct sched_entity *entity, unsigned nr_entities, unsigned pcpu)
{
	for (unsigned i = 0; i < nr_entities; i++) {
		if (waits_for(&entity[i], pcpu))
			return true;
	}
	return false;
}

/* Who has waited longest: of those at home here, or of all if `any_home`. */
static int longest_waiting(const struct sched_view *view, bool any_home)
{
	int best = -1;

	for (unsigned i = 0; i < view->nr_entities; i++) {
		const struct sched_entity *e = &view->entity[i];

		if (e->state != SCHED_READY || !(any_home || e->home == view->pcpu))
			continue;
		if (best < 0 || e->ready_since < view->entity[best].ready_since)
			best = (int)i;
	}
	return best;
}

static int sched_pick_round_robin(const struct sched_view *view)
{
	int next = longest_waiting(view, false);

	return next >= 0 ? next : longest_waiting(view, true);
}

static int sched_pick_random(const struct sched_view *view)
{
	unsigned waiting = 0;

	for (unsigned i = 0; i < view->nr_entities; i++)
		waiting += waits_for(&view->entity[i], view->pcpu);
	if (waiting == 0)
		return longest_waiting(view, true);

	unsigned skip = (unsigned)(view->random % waiting);
	for (unsigned i = 0; i < view->nr_entities; i++) {
		if (waits_for(&view->entity[i], view->pcpu) && skip-- == 0)
			return (int)i;
	}
	return -1;
}

/* Of the gang whose turn it is. Nobody of it here: anyone, rather than nobody. */
static int sched_pick_gang(const struct sched_view *view)
{
	unsigned gang = (unsigned)(view->turn % view->nr_gangs);

	for (unsigned i = 0; i < view->nr_entities; i++) {
		if (view->entity[i].gang == gang && waits_for(&view->entity[i], view->pcpu))
			return (int)i;
	}
	return sched_pick_round_robin(view);
}

/* Of those that are awaited, who has waited longest; else as round-robin. */
static int sched_pick_boost(const struct sched_view *view)
{
	int longest = sched_pick_round_robin(view), best = -1;

	for (unsigned i = 0; i < view->nr_entities; i++) {
		const struct sched_entity *e = &view->entity[i];

		if (!e->awaited || !waits_for(e, view->pcpu) ||
		    e->granted_at > view->entity[longest].ready_since)
			continue;
		if (best < 0 || e->ready_since < view->entity[best].ready_since)
			best = (int)i;
	}
	return best >= 0 ? best : longest;
}

/* Not asked: see sched_policy.is_hosts. */
static int sched_pick_host(const struct sched_view *view)
{
	return sched_pick_round_robin(view);
}

/* ---- tables ----------------------------------------------------------------- */

const struct sched_policy sched_policies[] = {
#define X(id, policy_name, policy_summary)               \
	{ .name = policy_name,                           \
	  .summary = policy_summary,                     \
	  .uses_hints = POLICY_##id == POLICY_boost,     \
	  .needs_alignment = POLICY_##id == POLICY_gang, \
	  .is_hosts = POLICY_##id == POLICY_host,        \
	  .pick = sched_pick_##id },
	SCHED_POLICIES(X)
#undef X
};
const unsigned nr_sched_policies = sizeof(sched_policies) / sizeof(sched_policies[0]);

/* ---- time -------------------------------------------------------------------- */

/*
 * End of slice k on the grid of aligned slices: a multiple of the slice, later by up
 * to the jitter. Two neighbours never change places, since the jitter is below 100%.
 */
static uint64_t grid_end(const struct sched_slices *s, uint64_t k)
{
	uint64_t state = s->seed ^ k * 0xd1342543de82ef95;
	uint64_t reach = s->slice_ns / 100 * s->jitter_pct;

	return k * s->slice_ns + random_next(&state) % (reach + 1);
}

uint64_t sched_turn(const struct sched_slices *s, uint64_t now_ns)
{
	uint64_t k = now_ns / s->slice_ns;

	return now_ns >= grid_end(s, k) ? k + 1 : k;
}

static uint64_t independent_end(const struct sched_slices *s, uint64_t now_ns, uint64_t random)
{
	uint64_t reach = s->slice_ns / 100 * s->jitter_pct;

	return now_ns + s->slice_ns - reach + random % (2 * reach + 1);
}

uint64_t sched_slice_end(const struct sched_slices *s, unsigned pcpu, uint64_t now_ns,
			 uint64_t random)
{
	uint64_t shift_ns = s->alignment == SLICES_anti && pcpu % 2 ? s->slice_ns / 2 : 0;

	if (s->alignment == SLICES_independent)
		return independent_end(s, now_ns, random);
	return grid_end(s, sched_turn(s, now_ns + shift_ns)) - shift_ns;
}
