/* SPDX-License-Identifier: MIT */
/* Scheduling policy: which vCPU runs next, and for how long. */
#include "sched_policy.h"

#include <string.h>

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

const struct sched_policy sched_policies[] = {
#define X(id, policy_name, policy_summary) \
	{ .name = policy_name, .summary = policy_summary, .pick = sched_pick_##id },
	SCHED_POLICIES(X)
#undef X
};
const unsigned nr_sched_policies = sizeof(sched_policies) / sizeof(sched_policies[0]);

const struct sched_policy *sched_policy_find(const char *name)
{
	for (unsigned i = 0; i < nr_sched_policies; i++) {
		if (strcmp(sched_policies[i].name, name) == 0)
			return &sched_policies[i];
	}
	return NULL;
}

uint64_t sched_slice_ns(uint64_t slice_ns, unsigned jitter_pct, uint64_t random)
{
	uint64_t reach = slice_ns / 100 * jitter_pct;

	return slice_ns - reach + random % (2 * reach + 1);
}

uint64_t sched_random(uint64_t *state)
{
	uint64_t z = (*state += 0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}
