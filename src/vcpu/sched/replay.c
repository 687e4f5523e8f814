/* SPDX-License-Identifier: MIT */
/* Follows a recorded schedule. */
#include "vcpu/sched/replay.h"

#include <stdlib.h>

#define NONE SCHEDULE_NO_ENTRY

/* ---- parts of the schedule -------------------------------------------------- */

void replay_end_part(struct replay *r)
{
	for (unsigned c = 0; c < r->nr_pcpus; c++)
		r->pcpu[c] = (struct replay_pcpu){ .next = NONE };
	for (unsigned i = 0; i < r->nr_vcpus; i++)
		r->due[i] = NONE;
}

static bool is_slice(const struct replay *r, size_t k)
{
	return r->log->entry[k].end != SLICE_begins_phase;
}

/* From the last entry to the first, so that each meets the one that follows it. */
static void link_part(struct replay *r, size_t begin)
{
	replay_end_part(r);
	for (size_t k = r->part_end; k-- > begin;) {
		const struct schedule_entry *e = &r->log->entry[k];

		r->later_on_pcpu[k] = r->pcpu[e->pcpu].next;
		r->later_of_vcpu[k] = r->due[e->vcpu];
		r->pcpu[e->pcpu].next = r->due[e->vcpu] = k;
	}
}

static void start_part(struct replay *r, size_t begin)
{
	r->part_end = begin;
	while (r->part_end < r->log->nr && is_slice(r, r->part_end))
		r->part_end++;
	link_part(r, begin);
}

void replay_begin_part(struct replay *r)
{
	size_t behind = r->part_end + 1;

	start_part(r, behind < r->log->nr ? behind : r->log->nr);
}

int replay_init(struct replay *r, const struct schedule_log *log, unsigned nr_pcpus,
		unsigned nr_vcpus, uint64_t patience_ns)
{
	*r = (struct replay){
		.log = log, .nr_pcpus = nr_pcpus, .nr_vcpus = nr_vcpus, .patience_ns = patience_ns
	};
	r->pcpu = calloc(nr_pcpus, sizeof(*r->pcpu));
	r->due = calloc(nr_vcpus, sizeof(*r->due));
	r->later_on_pcpu = calloc(log->nr + 1, sizeof(*r->later_on_pcpu));
	r->later_of_vcpu = calloc(log->nr + 1, sizeof(*r->later_of_vcpu));
	if (!r->pcpu || !r->due || !r->later_on_pcpu || !r->later_of_vcpu) {
		replay_finish(r);
		return -1;
	}
	for (size_t k = 0; k < log->nr; k++)
		r->counts.decisions += is_slice(r, k);
	start_part(r, 0);
	return 0;
}

void replay_finish(struct replay *r)
{
	free(r->pcpu);
	free(r->due);
	free(r->later_on_pcpu);
	free(r->later_of_vcpu);
	r->pcpu = NULL;
	r->due = r->later_on_pcpu = r->later_of_vcpu = NULL;
}

/* ---- decisions ---------------------------------------------------------------- */

/* The pCPU has come past its entry, which was carried out or left out. */
static void advance(struct replay *r, struct replay_pcpu *c)
{
	const struct schedule_entry *e = &r->log->entry[c->next];

	c->end_ns = e->start_ns + e->ran_ns;
	c->next = r->later_on_pcpu[c->next];
	c->waiting_since_ns = 0;
	if (c->next == NONE)
		return;
	uint64_t start_ns = r->log->entry[c->next].start_ns;
	c->gap_ns = start_ns > c->end_ns ? start_ns - c->end_ns : 0;
}

/* Skips what was left out: the vCPU is past that entry, or will have no more of them. */
static void skip_void(struct replay *r, struct replay_pcpu *c)
{
	while (c->next != NONE && r->due[r->log->entry[c->next].vcpu] > c->next)
		advance(r, c);
}

int replay_pick(struct replay *r, const struct sched_entity *entity, unsigned pcpu, uint64_t now_ns)
{
	struct replay_pcpu *c = &r->pcpu[pcpu];

	skip_void(r, c);
	if (c->next == NONE)
		return REPLAY_BY_POLICY;

	uint32_t vcpu = r->log->entry[c->next].vcpu;
	bool is_next_of_both = r->due[vcpu] == c->next;
	if (is_next_of_both && entity[vcpu].state == SCHED_READY)
		return (int)vcpu;
	/* A vCPU that runs, or that is due elsewhere first, is no reason to lose patience. */
	if (!is_next_of_both || entity[vcpu].state == SCHED_RUNNING)
		c->waiting_since_ns = 0;
	else if (!c->waiting_since_ns)
		c->waiting_since_ns = now_ns;
	return REPLAY_WAIT;
}

const struct schedule_entry *replay_take(struct replay *r, unsigned pcpu)
{
	struct replay_pcpu *c = &r->pcpu[pcpu];
	size_t taken = c->next;
	const struct schedule_entry *e = &r->log->entry[taken];

	r->due[e->vcpu] = r->later_of_vcpu[taken];
	advance(r, c);
	r->counts.followed++;
	return e;
}

uint64_t replay_slice_end(const struct schedule_entry *e, uint64_t now_ns, uint64_t regular_ns)
{
	return now_ns + e->ran_ns + (slice_end_is_forced(e->end) ? 0 : regular_ns);
}

void replay_end_slice(struct replay *r, const struct schedule_entry *e, enum slice_end end)
{
	if (e)
		r->counts.ended_alike += e->end == end;
	else
		r->counts.by_policy++;
}

void replay_leave_out(struct replay *r, unsigned vcpu)
{
	r->due[vcpu] = NONE;
}

bool replay_keeps(struct replay *r, unsigned pcpu, unsigned vcpu)
{
	struct replay_pcpu *c = &r->pcpu[pcpu];

	skip_void(r, c);
	return c->next != NONE && r->due[vcpu] == c->next;
}

bool replay_is_due(const struct replay *r, unsigned pcpu, unsigned vcpu)
{
	return r->pcpu[pcpu].next != NONE || r->due[vcpu] != NONE;
}

/* ---- divergence ------------------------------------------------------------------ */

static bool has_waited_too_long(const struct replay *r, const struct replay_pcpu *c,
				uint64_t now_ns)
{
	return c->waiting_since_ns && now_ns - c->waiting_since_ns > c->gap_ns + r->patience_ns;
}

static void diverge(struct replay *r, const struct replay_pcpu *c)
{
	if (r->counts.divergences++ == 0) {
		r->counts.first_entry = c->next + 1;
		r->counts.first_pcpu = r->log->entry[c->next].pcpu;
		r->counts.first_vcpu = r->log->entry[c->next].vcpu;
	}
	replay_end_part(r);
}

bool replay_lose_patience(struct replay *r, uint64_t now_ns)
{
	for (unsigned c = 0; c < r->nr_pcpus; c++) {
		if (has_waited_too_long(r, &r->pcpu[c], now_ns)) {
			diverge(r, &r->pcpu[c]);
			return true;
		}
	}
	return false;
}
