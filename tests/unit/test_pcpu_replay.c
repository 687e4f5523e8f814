/* SPDX-License-Identifier: MIT */
/* pCPUs that record what they decide, and pCPUs that decide what was recorded. */
#include "unit.h"

#include "pcpu_stage.h"
#include "vcpu/base/clock.h"

#define LONG_SLICE_NS 50000000ull /* 50 ms: so long that an end before it would be seen */

/* ---- recording --------------------------------------------------------------------------- */

static void start_recording(struct stage *s, struct schedule_log *log, struct pcpu_config config)
{
	*log = (struct schedule_log){ 0 };
	stage_start(s, config);
	pcpus_set_schedule(s->pcpus, log, NULL);
}

/* vCPUs 0 and 1 have the pCPUs. */
static void start_recording_busy(struct stage *s, struct schedule_log *log, uint64_t slice_ns)
{
	start_recording(s, log, stage_config(slice_ns));
	ck_assert(stage_call(s, 0, ACQUIRE));
	ck_assert(stage_call(s, 1, ACQUIRE));
}

static void finish_recording(struct stage *s, struct schedule_log *log)
{
	stage_finish(s);
	schedule_log_finish(log);
}

struct decision {
	unsigned vcpu, pcpu;
	enum slice_end end;
};

static void assert_recorded(const struct schedule_log *log, const struct decision *d, size_t nr)
{
	ck_assert_uint_eq(log->nr, nr);
	for (size_t k = 0; k < nr; k++) {
		ck_assert_uint_eq(log->entry[k].vcpu, d[k].vcpu);
		ck_assert_uint_eq(log->entry[k].pcpu, d[k].pcpu);
		ck_assert_msg(log->entry[k].end == d[k].end, "%zu: %s", k,
			      slice_end_name(log->entry[k].end));
	}
}

static void play_a_part(struct stage *s)
{
	ck_assert(stage_call(s, 0, ACQUIRE));
	ck_assert(stage_call(s, 3, ACQUIRE));
	stage_begin_waiting(s, 2, ACQUIRE);
	stage_begin_waiting(s, 0, YIELD);
	stage_assert_runs_on(s, 2, 0);
	stage_call(s, 2, RELEASE);
	stage_assert_runs_on(s, 0, 0);
	stage_call(s, 3, BLOCK);
	stage_call(s, 0, BLOCK);
	pcpus_begin_part(s->pcpus, 5);
	ck_assert(stage_call(s, 2, ACQUIRE));
	ck_assert(stage_call(s, 1, ACQUIRE));
	stage_begin_waiting(s, 0, ACQUIRE);
	pcpus_stop(s->pcpus);
}

static const struct decision of_a_part[] = {
	{ 0, 0, SLICE_yielded }, { 3, 1, SLICE_blocked },      { 2, 0, SLICE_halted },
	{ 0, 0, SLICE_blocked }, { 5, 0, SLICE_begins_phase }, { 2, 0, SLICE_stopped },
	{ 1, 1, SLICE_stopped },
};

START_TEST(what_is_recorded_is_what_happened)
{
	struct schedule_log log;
	struct stage s;

	start_recording(&s, &log, stage_config(NEVER_OVER));
	uint64_t before_ns = monotonic_ns();
	play_a_part(&s);
	uint64_t after_ns = monotonic_ns();
	assert_recorded(&log, of_a_part, COUNT_OF(of_a_part));
	ck_assert_uint_eq(log.entry[0].start_ns, 0);
	ck_assert_uint_ge(s.pcpus->recorded_since_ns, before_ns);
	for (size_t k = 0; k < log.nr; k++) {
		const struct schedule_entry *e = &log.entry[k];

		ck_assert((e->ran_ns == 0) == (e->end == SLICE_begins_phase));
		ck_assert_uint_le(s.pcpus->recorded_since_ns + e->start_ns + e->ran_ns, after_ns);
	}
	/* pCPU 0, one after the other. */
	ck_assert_uint_ge(log.entry[2].start_ns, log.entry[0].ran_ns);
	ck_assert_uint_ge(log.entry[3].start_ns, log.entry[2].start_ns + log.entry[2].ran_ns);
	/* What ends after the run is no part of it, nor is who would be next. */
	stage_call(&s, 2, RELEASE);
	assert_recorded(&log, of_a_part, COUNT_OF(of_a_part));
	finish_recording(&s, &log);
}
END_TEST

START_TEST(the_way_out_of_a_phase_is_not_recorded)
{
	static const struct decision expected[] = { { 0, 0, SLICE_stopped },
						    { 1, 1, SLICE_stopped },
						    { 5, 0, SLICE_begins_phase },
						    { 2, 0, SLICE_stopped } };
	struct schedule_log log;
	struct stage s;

	start_recording_busy(&s, &log, NEVER_OVER);
	stage_begin_waiting(&s, 2, ACQUIRE);
	pcpus_end_part(s.pcpus);
	stage_begin_waiting(&s, 0, YIELD);
	stage_assert_runs_on(&s, 2, 0);
	stage_call(&s, 2, BLOCK);
	stage_assert_runs_on(&s, 0, 0);
	stage_call(&s, 0, BLOCK);
	stage_call(&s, 1, BLOCK);
	pcpus_begin_part(s.pcpus, 5);
	ck_assert(stage_call(&s, 2, ACQUIRE));
	pcpus_stop(s.pcpus);
	assert_recorded(&log, expected, COUNT_OF(expected));
	finish_recording(&s, &log);
}
END_TEST

START_TEST(a_slice_that_is_ended_by_force_lasted_until_then)
{
	static const struct decision expected[] = { { 0, 0, SLICE_expired },
						    { 1, 1, SLICE_stopped },
						    { 2, 0, SLICE_idle } };
	struct schedule_log log;
	struct stage s;

	start_recording_busy(&s, &log, OVER_AT_ONCE);
	stage_let_time_pass();
	stage_begin_waiting(&s, 2, ACQUIRE);
	ck_assert(stage_call(&s, 0, AWAIT_KICK));
	stage_begin_waiting(&s, 0, PREEMPT);
	stage_assert_runs_on(&s, 2, 0);
	ck_assert(stage_call(&s, 2, AWAIT_KICK));
	stage_call(&s, 2, RELEASE);
	pcpus_stop(s.pcpus);
	ck_assert_uint_eq(s.pcpus->recorded_since_ns + log.entry[0].ran_ns,
			  pcpus_expired_ns(s.pcpus, 2));
	ck_assert_uint_eq(log.entry[2].ran_ns, OVER_AT_ONCE);
	ck_assert_uint_eq(log.entry[3].vcpu, 0); /* which waited while vCPU 2 ran */
	log.nr--;
	assert_recorded(&log, expected, COUNT_OF(expected));
	finish_recording(&s, &log);
}
END_TEST

START_TEST(who_halts_within_its_slice_or_has_no_timer_was_not_forced)
{
	static const struct decision expected[] = { { 0, 0, SLICE_halted },
						    { 1, 1, SLICE_halted },
						    { 2, 0, SLICE_stopped } };
	struct schedule_log log;
	struct stage s;

	start_recording_busy(&s, &log, NEVER_OVER);
	stage_begin_waiting(&s, 2, ACQUIRE);
	stage_call(&s, 0, RELEASE); /* it is timed */
	s.pcpus->pcpu[1].slice_end_ns = s.pcpus->pcpu[1].slice_start_ns;
	stage_call(&s, 1, RELEASE);
	pcpus_stop(s.pcpus);
	assert_recorded(&log, expected, COUNT_OF(expected));
	for (unsigned k = 0; k < 2; k++) {
		ck_assert_uint_gt(log.entry[k].ran_ns, 0);
		ck_assert_uint_lt(log.entry[k].ran_ns, NEVER_OVER);
	}
	finish_recording(&s, &log);
}
END_TEST

START_TEST(who_keeps_its_pcpu_begins_another_slice)
{
	static const struct decision expected[] = { { 0, 0, SLICE_kept }, { 0, 0, SLICE_stopped } };
	struct schedule_log log;
	struct stage s;

	start_recording(&s, &log, stage_config(OVER_AT_ONCE));
	ck_assert(stage_call(&s, 0, ACQUIRE));
	stage_let_time_pass();
	uint64_t before_ns = monotonic_ns();
	ck_assert(stage_call(&s, 0, PREEMPT));
	pcpus_stop(s.pcpus);
	assert_recorded(&log, expected, COUNT_OF(expected));
	/* No timer ended it, so it lasted until it was looked at. */
	ck_assert_uint_ge(s.pcpus->recorded_since_ns + log.entry[0].ran_ns, before_ns);
	ck_assert_uint_ge(log.entry[1].start_ns, log.entry[0].ran_ns);
	finish_recording(&s, &log);
}
END_TEST

START_TEST(pcpus_do_without_a_log_that_is_full)
{
	struct schedule_log log = { .nr = SCHEDULE_MAX_ENTRIES, .room = SCHEDULE_MAX_ENTRIES };
	struct stage s;

	stage_start(&s, stage_config(NEVER_OVER));
	pcpus_set_schedule(s.pcpus, &log, NULL);
	play_a_part(&s);
	stage_finish(&s);
	ck_assert_uint_eq(log.lost, COUNT_OF(of_a_part));
}
END_TEST

/* ---- replaying ----------------------------------------------------------------------------- */

struct rerun {
	struct stage stage;
	struct schedule_log log;
	struct replay replay;
};

#define PATIENT_NS NEVER_OVER

/* By these entries; slices that are none of the recording never end. */
static void start_rerun(struct rerun *r, const struct schedule_entry *entry, size_t nr,
			uint64_t patience_ns, uint64_t grace_ns)
{
	struct pcpu_config config = stage_config(NEVER_OVER);

	r->log = (struct schedule_log){ 0 };
	for (size_t k = 0; k < nr; k++)
		schedule_log_add(&r->log, &entry[k]);
	ck_assert_int_eq(replay_init(&r->replay, &r->log, NR_PCPUS, NR, patience_ns), 0);
	config.grace_ns = grace_ns;
	stage_start(&r->stage, config);
	pcpus_set_schedule(r->stage.pcpus, NULL, &r->replay);
}

#define START_RERUN(r, entries) start_rerun(r, entries, COUNT_OF(entries), PATIENT_NS, 0)

static void finish_rerun(struct rerun *r)
{
	stage_finish(&r->stage);
	replay_finish(&r->replay);
	schedule_log_finish(&r->log);
}

static uint64_t slice_ns(struct rerun *r, unsigned pcpu)
{
	const struct pcpu *c = &r->stage.pcpus->pcpu[pcpu];

	return c->slice_end_ns - c->slice_start_ns;
}

static void assert_counts(const struct rerun *r, uint64_t followed, uint64_t ended_alike,
			  uint64_t by_policy)
{
	ck_assert_uint_eq(r->replay.counts.followed, followed);
	ck_assert_uint_eq(r->replay.counts.ended_alike, ended_alike);
	ck_assert_uint_eq(r->replay.counts.by_policy, by_policy);
}

START_TEST(pcpus_are_granted_in_the_recorded_order_whatever_the_policy)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 2, .end = SLICE_halted },
		{ .pcpu = 1, .vcpu = 0, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 5, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 1, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	stage_begin_waiting(&r.stage, 1, ACQUIRE);
	stage_begin_waiting(&r.stage, 5, ACQUIRE);
	ck_assert_uint_eq(stage_running(&r.stage), 0);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_assert_runs_on(&r.stage, 0, 1);
	ck_assert(stage_call(&r.stage, 2, ACQUIRE));
	stage_assert_runs_on(&r.stage, 2, 0);
	ck_assert_uint_eq(stage_running(&r.stage), BIT(0) | BIT(2));
	stage_call(&r.stage, 2, RELEASE);
	stage_assert_runs_on(&r.stage, 5, 0);
	ck_assert_uint_eq(stage_running(&r.stage), BIT(0) | BIT(5));
	stage_call(&r.stage, 5, RELEASE);
	stage_assert_runs_on(&r.stage, 1, 0);
	assert_counts(&r, 4, 2, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(who_yields_runs_on_at_once_if_it_did)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_yielded },
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_yielded },
		{ .pcpu = 1, .vcpu = 0, .end = SLICE_yielded },
		{ .pcpu = 0, .vcpu = 2, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	stage_begin_waiting(&r.stage, 2, ACQUIRE);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert(stage_call(&r.stage, 0, YIELD));
	stage_assert_runs_on(&r.stage, 0, 0);
	ck_assert_uint_eq(stage_running(&r.stage), BIT(0));
	/* The next turn is on another pCPU, which leaves this one to who is due. */
	ck_assert(stage_call(&r.stage, 0, YIELD));
	stage_assert_runs_on(&r.stage, 0, 1);
	stage_assert_runs_on(&r.stage, 2, 0);
	assert_counts(&r, 4, 2, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(a_slice_is_ended_by_force_after_the_recorded_time)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .ran_ns = LONG_SLICE_NS, .end = SLICE_expired },
		{ .pcpu = 1, .vcpu = 1, .ran_ns = 10, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 2, .ran_ns = 10, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert(stage_call(&r.stage, 1, ACQUIRE));
	ck_assert_uint_eq(slice_ns(&r, 0), LONG_SLICE_NS);
	/* This one gave its pCPU up by itself, and has time for that. */
	ck_assert_uint_eq(slice_ns(&r, 1), 10 + NEVER_OVER);
	/* vCPU 2 is due and may come at any time: vCPU 0 has to go, though nobody waits. */
	ck_assert(stage_call(&r.stage, 0, AWAIT_KICK));
	ck_assert(pcpus_slice_is_over(r.stage.pcpus, 0));
	stage_begin_waiting(&r.stage, 0, PREEMPT);
	stage_begin_waiting(&r.stage, 3, ACQUIRE);
	ck_assert_uint_eq(stage_running(&r.stage), BIT(1));
	ck_assert(stage_call(&r.stage, 2, ACQUIRE));
	stage_assert_runs_on(&r.stage, 2, 0);
	ck_assert_uint_eq(pcpus_expired_ns(r.stage.pcpus, 2), 0);
	assert_counts(&r, 3, 1, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(who_has_waited_for_a_slice_to_end_is_told_when_it_did_in_a_replay_too)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 1, .vcpu = 0, .ran_ns = 1, .end = SLICE_expired },
		{ .pcpu = 1, .vcpu = 2, .ran_ns = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 0, .ran_ns = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 3, .ran_ns = 1, .end = SLICE_expired },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	stage_begin_waiting(&r.stage, 2, ACQUIRE);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	uint64_t end_ns = r.stage.pcpus->pcpu[1].slice_end_ns;
	ck_assert(stage_call(&r.stage, 0, AWAIT_KICK));
	ck_assert(stage_call(&r.stage, 0, PREEMPT));
	stage_assert_runs_on(&r.stage, 2, 1);
	stage_assert_runs_on(&r.stage, 0, 0);
	ck_assert_uint_eq(pcpus_expired_ns(r.stage.pcpus, 2), end_ns);
	ck_assert_uint_eq(pcpus_expired_ns(r.stage.pcpus, 0), 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(who_kept_its_pcpu_keeps_it_again_whoever_waits)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .ran_ns = 1, .end = SLICE_kept },
		{ .pcpu = 0, .vcpu = 0, .ran_ns = LONG_SLICE_NS, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 2, .ran_ns = 1, .end = SLICE_kept },
		{ .pcpu = 0, .vcpu = 3, .ran_ns = 1, .end = SLICE_halted },
		{ .pcpu = 1, .vcpu = 0, .ran_ns = 1, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	stage_begin_waiting(&r.stage, 2, ACQUIRE);
	stage_begin_waiting(&r.stage, 3, ACQUIRE);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert(stage_call(&r.stage, 0, AWAIT_KICK));
	ck_assert(stage_call(&r.stage, 0, PREEMPT));
	ck_assert_uint_eq(stage_running(&r.stage), BIT(0));
	ck_assert_uint_eq(slice_ns(&r, 0), LONG_SLICE_NS);
	assert_counts(&r, 2, 1, 0);
	ck_assert(stage_call(&r.stage, 0, AWAIT_KICK));
	ck_assert(stage_call(&r.stage, 0, PREEMPT));
	stage_assert_runs_on(&r.stage, 2, 0);
	stage_assert_runs_on(&r.stage, 0, 1);
	/* It kept it for a turn that is not the next one here. */
	ck_assert(stage_call(&r.stage, 2, AWAIT_KICK));
	stage_begin_waiting(&r.stage, 2, PREEMPT);
	stage_assert_runs_on(&r.stage, 3, 0);
	assert_counts(&r, 5, 2, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(who_was_forced_out_goes_though_it_is_due_next)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .ran_ns = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 0, .ran_ns = 1, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert(stage_call(&r.stage, 0, AWAIT_KICK));
	ck_assert(stage_call(&r.stage, 0, PREEMPT));
	ck_assert_uint_eq(stage_running(&r.stage), BIT(0));
	assert_counts(&r, 2, 1, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(a_recorded_slice_has_no_grace_but_one_of_the_policy_has)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .ran_ns = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 2, .ran_ns = 1, .end = SLICE_halted },
	};
	const uint64_t grace_ns = NEVER_OVER / 2;
	struct rerun r;

	start_rerun(&r, entries, COUNT_OF(entries), PATIENT_NS, grace_ns);
	for (unsigned i = 0; i < NR; i++)
		r.stage.hint[i].critical = 1;
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert(stage_call(&r.stage, 0, AWAIT_KICK));
	/* Away from pCPU 0, and to the other one, of which nothing is recorded. */
	ck_assert(stage_call(&r.stage, 0, PREEMPT));
	stage_assert_runs_on(&r.stage, 0, 1);
	stage_begin_waiting(&r.stage, 1, ACQUIRE);
	r.stage.pcpus->pcpu[1].slice_end_ns = 0;
	ck_assert(stage_call(&r.stage, 0, PREEMPT));
	ck_assert_uint_eq(stage_running(&r.stage), BIT(0));
	ck_assert_uint_eq(slice_ns(&r, 1), grace_ns);
	assert_counts(&r, 1, 1, 1);
	finish_rerun(&r);
}
END_TEST

START_TEST(where_nothing_is_recorded_the_policy_decides)
{
	static const struct schedule_entry entries[] = { { .end = SLICE_begins_phase } };
	struct rerun r;

	START_RERUN(&r, entries);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_assert_runs_on(&r.stage, 0, 0);
	ck_assert(stage_call(&r.stage, 1, ACQUIRE));
	stage_assert_runs_on(&r.stage, 1, 1);
	stage_begin_waiting(&r.stage, 3, ACQUIRE);
	stage_begin_waiting(&r.stage, 2, ACQUIRE);
	ck_assert_uint_eq(slice_ns(&r, 0), NEVER_OVER);
	stage_begin_waiting(&r.stage, 0, YIELD);
	stage_assert_runs_on(&r.stage, 3, 0);
	stage_call(&r.stage, 3, RELEASE);
	stage_assert_runs_on(&r.stage, 2, 0);
	/* Nobody waits at home, and nobody is due. */
	r.stage.pcpus->pcpu[1].slice_end_ns = 0;
	ck_assert(!pcpus_slice_is_over(r.stage.pcpus, 1));
	ck_assert(stage_call(&r.stage, 1, PREEMPT));
	assert_counts(&r, 0, 0, 3);
	finish_rerun(&r);
}
END_TEST

START_TEST(what_follows_the_last_recorded_slice_is_the_policys)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .ran_ns = 10, .end = SLICE_yielded },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert_uint_eq(slice_ns(&r, 0), 10 + NEVER_OVER);
	ck_assert(stage_call(&r.stage, 0, YIELD));
	ck_assert_uint_eq(slice_ns(&r, 0), NEVER_OVER);
	stage_call(&r.stage, 0, BLOCK);
	assert_counts(&r, 1, 1, 1);
	finish_rerun(&r);
}
END_TEST

/* ---- parts, and the end of all patience ------------------------------------------------------ */

static const struct schedule_entry parts[] = {
	{ .pcpu = 0, .vcpu = 0, .end = SLICE_blocked },
	{ .pcpu = 0, .vcpu = 0, .end = SLICE_halted },
	{ .pcpu = 0, .vcpu = 2, .end = SLICE_blocked },
	{ .end = SLICE_begins_phase },
	{ .pcpu = 1, .vcpu = 2, .end = SLICE_halted },
	{ .pcpu = 0, .vcpu = 3, .end = SLICE_halted },
	{ .pcpu = 0, .vcpu = 0, .end = SLICE_halted },
};

START_TEST(who_waits_for_the_next_phase_is_not_waited_for)
{
	struct rerun r;

	START_RERUN(&r, parts);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_call(&r.stage, 0, BLOCK);
	ck_assert(stage_call(&r.stage, 2, ACQUIRE));
	stage_assert_runs_on(&r.stage, 2, 0);
	stage_call(&r.stage, 2, BLOCK);
	pcpus_begin_part(r.stage.pcpus, 0);
	stage_begin_waiting(&r.stage, 0, ACQUIRE);
	ck_assert(stage_call(&r.stage, 2, ACQUIRE));
	stage_assert_runs_on(&r.stage, 2, 1);
	ck_assert_uint_eq(stage_running(&r.stage), BIT(2));
	ck_assert(stage_call(&r.stage, 3, ACQUIRE));
	stage_assert_runs_on(&r.stage, 3, 0);
	stage_call(&r.stage, 3, RELEASE);
	stage_assert_runs_on(&r.stage, 0, 0);
	assert_counts(&r, 5, 3, 0);
	ck_assert_uint_eq(r.replay.counts.divergences, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(the_way_out_of_a_phase_is_the_policys)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_stopped },
		{ .pcpu = 1, .vcpu = 1, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 2, .end = SLICE_halted },
		{ .end = SLICE_begins_phase },
		{ .pcpu = 1, .vcpu = 2, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	ck_assert(stage_call(&r.stage, 1, ACQUIRE));
	stage_call(&r.stage, 1, RELEASE);
	ck_assert(stage_call(&r.stage, 4, ACQUIRE));
	stage_begin_waiting(&r.stage, 3, ACQUIRE);
	stage_begin_waiting(&r.stage, 0, YIELD); /* now vCPU 2 is due */
	ck_assert_uint_eq(stage_running(&r.stage), BIT(4));
	pcpus_end_part(r.stage.pcpus);
	stage_assert_runs_on(&r.stage, 3, 0);
	stage_call(&r.stage, 3, BLOCK);
	stage_assert_runs_on(&r.stage, 0, 0);
	stage_call(&r.stage, 0, BLOCK);
	stage_call(&r.stage, 4, BLOCK);
	assert_counts(&r, 2, 1, 1);
	pcpus_begin_part(r.stage.pcpus, 0);
	ck_assert(stage_call(&r.stage, 2, ACQUIRE));
	stage_assert_runs_on(&r.stage, 2, 1);
	assert_counts(&r, 3, 1, 1);
	finish_rerun(&r);
}
END_TEST

START_TEST(who_halts_is_waited_for)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_halted },
		{ .pcpu = 1, .vcpu = 1, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 2, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_call(&r.stage, 0, RELEASE);
	stage_begin_waiting(&r.stage, 2, ACQUIRE);
	ck_assert_uint_eq(stage_running(&r.stage), 0);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_assert_runs_on(&r.stage, 0, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(a_replay_that_waits_in_vain_says_so_and_leaves_the_rest_to_the_policy)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 5, .end = SLICE_halted },
		{ .pcpu = 1, .vcpu = 4, .end = SLICE_halted },
		{ .end = SLICE_begins_phase },
		{ .pcpu = 0, .vcpu = 4, .end = SLICE_halted },
		{ .pcpu = 1, .vcpu = 5, .end = SLICE_halted },
	};
	const uint64_t patience_ns = LONG_SLICE_NS;
	struct rerun r;

	start_rerun(&r, entries, COUNT_OF(entries), patience_ns, 0);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_assert_runs_on(&r.stage, 0, 0);
	ck_assert_uint_gt(r.stage.actor[0].waited_ns, patience_ns);
	ck_assert_uint_eq(r.replay.counts.divergences, 1);
	ck_assert_uint_eq(r.replay.counts.first_entry, 1);
	ck_assert_uint_eq(r.replay.counts.first_vcpu, 5);
	ck_assert(stage_call(&r.stage, 1, ACQUIRE));
	stage_assert_runs_on(&r.stage, 1, 1);
	stage_call(&r.stage, 0, BLOCK);
	stage_call(&r.stage, 1, BLOCK);
	assert_counts(&r, 0, 0, 2);
	/* The next part is followed again, and loses patience once more. */
	pcpus_begin_part(r.stage.pcpus, 0);
	ck_assert(stage_call(&r.stage, 5, ACQUIRE));
	stage_assert_runs_on(&r.stage, 5, 1);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	stage_assert_runs_on(&r.stage, 0, 0);
	ck_assert_uint_eq(r.replay.counts.divergences, 2);
	ck_assert_uint_eq(r.replay.counts.first_entry, 1);
	finish_rerun(&r);
}
END_TEST

START_TEST(nobody_waits_for_a_replay_at_the_end)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_halted },
		{ .pcpu = 1, .vcpu = 1, .end = SLICE_halted },
		{ .pcpu = 0, .vcpu = 2, .end = SLICE_halted },
	};
	struct rerun r;

	START_RERUN(&r, entries);
	stage_begin_waiting(&r.stage, 2, ACQUIRE);
	ck_assert(stage_call(&r.stage, 0, ACQUIRE));
	pcpus_stop(r.stage.pcpus);
	ck_assert(!stage_end(&r.stage, 2));
	stage_call(&r.stage, 0, RELEASE); /* which counts no more: it was stopped */
	assert_counts(&r, 1, 0, 0);
	finish_rerun(&r);
}
END_TEST

START_TEST(a_recording_is_replayed_by_the_same_calls_and_recorded_alike)
{
	struct schedule_log first, second = { 0 };
	struct pcpu_config config = stage_config(NEVER_OVER);
	struct replay replay;
	struct stage s;

	start_recording(&s, &first, config);
	play_a_part(&s);
	stage_finish(&s);
	ck_assert_int_eq(replay_init(&replay, &first, NR_PCPUS, NR, PATIENT_NS), 0);
	stage_start(&s, config);
	pcpus_set_schedule(s.pcpus, &second, &replay);
	play_a_part(&s);
	assert_recorded(&second, of_a_part, COUNT_OF(of_a_part));
	ck_assert_uint_eq(replay.counts.followed, replay.counts.decisions);
	ck_assert_uint_eq(replay.counts.ended_alike, replay.counts.decisions);
	stage_finish(&s);
	replay_finish(&replay);
	schedule_log_finish(&first);
	schedule_log_finish(&second);
}
END_TEST

#define CASES(X)                                                                 \
	X(what_is_recorded_is_what_happened)                                     \
	X(the_way_out_of_a_phase_is_not_recorded)                                \
	X(a_slice_that_is_ended_by_force_lasted_until_then)                      \
	X(who_halts_within_its_slice_or_has_no_timer_was_not_forced)             \
	X(who_keeps_its_pcpu_begins_another_slice)                               \
	X(pcpus_do_without_a_log_that_is_full)                                   \
	X(pcpus_are_granted_in_the_recorded_order_whatever_the_policy)           \
	X(who_yields_runs_on_at_once_if_it_did)                                  \
	X(a_slice_is_ended_by_force_after_the_recorded_time)                     \
	X(who_has_waited_for_a_slice_to_end_is_told_when_it_did_in_a_replay_too) \
	X(who_kept_its_pcpu_keeps_it_again_whoever_waits)                        \
	X(who_was_forced_out_goes_though_it_is_due_next)                         \
	X(a_recorded_slice_has_no_grace_but_one_of_the_policy_has)               \
	X(what_follows_the_last_recorded_slice_is_the_policys)                   \
	X(where_nothing_is_recorded_the_policy_decides)                          \
	X(who_waits_for_the_next_phase_is_not_waited_for)                        \
	X(the_way_out_of_a_phase_is_the_policys)                                 \
	X(who_halts_is_waited_for)                                               \
	X(a_replay_that_waits_in_vain_says_so_and_leaves_the_rest_to_the_policy) \
	X(nobody_waits_for_a_replay_at_the_end)                                  \
	X(a_recording_is_replayed_by_the_same_calls_and_recorded_alike)
UNIT_SUITE(pcpu_replay, CASES)
