/* SPDX-License-Identifier: MIT */
/* What became of one thread, counted from its context switches. */
#include "vmm/watch/switch_counts.h"

static void add_absence(struct absences *a, uint64_t ns)
{
	a->ns += ns;
	if (ns > a->longest_ns)
		a->longest_ns = ns;
}

/* Clocks of two CPUs may differ by a little: time does not go back here. */
static void end_state(struct switch_counts *c, uint64_t now_ns)
{
	uint64_t ns = now_ns > c->since_ns ? now_ns - c->since_ns : 0;

	if (c->state == THREAD_UNKNOWN)
		return;
	c->known_ns += ns;
	if (c->state == THREAD_PREEMPTED)
		add_absence(&c->preempted, ns);
	if (c->state == THREAD_SLEEPS)
		add_absence(&c->slept, ns);
}

static void enter(struct switch_counts *c, enum thread_state state, const struct switch_record *r)
{
	end_state(c, r->time_ns);
	c->state = state;
	c->since_ns = r->time_ns;
	c->cpu = r->cpu;
}

static void switched_out(struct switch_counts *c, const struct switch_record *r)
{
	struct absences *a = r->preempted ? &c->preempted : &c->slept;

	enter(c, r->preempted ? THREAD_PREEMPTED : THREAD_SLEEPS, r);
	a->nr++;
	a->in_kvm_run += c->was_in_kvm_run;
	c->was_in_kvm_run = false;
}

void switch_counts_take(struct switch_counts *c, const struct switch_record *r)
{
	switch (r->kind) {
	case SWITCH_SAMPLE:
		c->was_in_kvm_run = r->in_kvm_run;
		break;
	case SWITCH_OUT:
		switched_out(c, r);
		break;
	case SWITCH_IN:
		enter(c, THREAD_RUNS, r);
		break;
	case SWITCH_LOST:
		c->lost += r->lost;
		c->state = THREAD_UNKNOWN;
		c->was_in_kvm_run = false;
		break;
	case SWITCH_OTHER:
		break;
	}
}

struct switch_counts switch_counts_until(const struct switch_counts *c, uint64_t now_ns)
{
	struct switch_counts until = *c;

	end_state(&until, now_ns);
	return until;
}
