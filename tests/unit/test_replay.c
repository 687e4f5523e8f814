/* SPDX-License-Identifier: MIT */
/* Following a recorded schedule: the order, the waiting, and what happens without hope. */
#include "unit.h"

#include <string.h>

#include "libc_failures.h"
#include "vcpu/sched/replay.h"

#define NR_PCPUS    2
#define NR_VCPUS    4
#define PATIENCE_NS 1000

/* A replay, and a machine whose vCPUs are all ready. */
struct follower {
	struct schedule_log log;
	struct replay replay;
	struct sched_entity entity[NR_VCPUS];
	uint64_t now_ns;
};

static void follow(struct follower *f, const struct schedule_entry *entries, size_t nr)
{
	*f = (struct follower){ .now_ns = 1 };
	for (size_t k = 0; k < nr; k++)
		ck_assert_uint_eq(schedule_log_add(&f->log, &entries[k]), k);
	for (unsigned i = 0; i < NR_VCPUS; i++)
		f->entity[i].state = SCHED_READY;
	ck_assert_int_eq(replay_init(&f->replay, &f->log, NR_PCPUS, NR_VCPUS, PATIENCE_NS), 0);
}

static void finish(struct follower *f)
{
	replay_finish(&f->replay);
	schedule_log_finish(&f->log);
}

static int pick(struct follower *f, unsigned pcpu)
{
	return replay_pick(&f->replay, f->entity, pcpu, f->now_ns);
}

/* The pCPU has to go to this vCPU, which then runs on it. */
static const struct schedule_entry *take(struct follower *f, unsigned pcpu, int vcpu)
{
	ck_assert_int_eq(pick(f, pcpu), vcpu);
	f->entity[vcpu].state = SCHED_RUNNING;
	return replay_take(&f->replay, pcpu);
}

static void end(struct follower *f, const struct schedule_entry *e, enum slice_end how,
		enum sched_state state)
{
	replay_end_slice(&f->replay, e, how);
	f->entity[e->vcpu].state = state;
}

static const struct schedule_entry plain[] = {
	{ .pcpu = 0, .vcpu = 2, .start_ns = 0, .ran_ns = 100, .end = SLICE_expired },
	{ .pcpu = 1, .vcpu = 1, .start_ns = 5, .ran_ns = 300, .end = SLICE_halted },
	{ .pcpu = 0, .vcpu = 0, .start_ns = 100, .ran_ns = 110, .end = SLICE_expired },
	{ .pcpu = 0, .vcpu = 2, .start_ns = 210, .ran_ns = 90, .end = SLICE_expired },
	{ .pcpu = 1, .vcpu = 3, .start_ns = 5305, .ran_ns = 50, .end = SLICE_yielded },
};

START_TEST(each_pcpu_goes_to_whom_it_went)
{
	static const unsigned pcpu[] = { 1, 0, 0, 1, 0 };
	static const int vcpu[] = { 1, 2, 0, 3, 2 };
	struct follower f;

	follow(&f, plain, COUNT_OF(plain));
	for (unsigned k = 0; k < COUNT_OF(pcpu); k++) {
		const struct schedule_entry *e = take(&f, pcpu[k], vcpu[k]);
		end(&f, e, e->end, SCHED_READY);
	}
	ck_assert_uint_eq(f.replay.counts.decisions, 5);
	ck_assert_uint_eq(f.replay.counts.followed, 5);
	ck_assert_uint_eq(f.replay.counts.ended_alike, 5);
	ck_assert_uint_eq(f.replay.counts.by_policy, 0);
	ck_assert_uint_eq(f.replay.counts.divergences, 0);
	finish(&f);
}
END_TEST

START_TEST(a_pcpu_waits_for_who_is_due_though_others_are_ready)
{
	struct follower f;

	follow(&f, plain, COUNT_OF(plain));
	f.entity[2].state = SCHED_BLOCKED;
	ck_assert_int_eq(pick(&f, 0), REPLAY_WAIT);
	f.now_ns += PATIENCE_NS;
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns));
	f.entity[2].state = SCHED_READY;
	take(&f, 0, 2);
	finish(&f);
}
END_TEST

/* vCPU 0 is due on pCPU 0 first, so pCPU 1 must not have it before. */
START_TEST(a_vcpu_keeps_the_order_of_its_turns)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_expired },
		{ .pcpu = 1, .vcpu = 0, .end = SLICE_expired },
	};
	struct follower f;

	follow(&f, entries, COUNT_OF(entries));
	ck_assert_int_eq(pick(&f, 1), REPLAY_WAIT);
	f.now_ns += 100 * PATIENCE_NS;
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns));
	end(&f, take(&f, 0, 1), SLICE_expired, SCHED_READY);
	ck_assert_int_eq(pick(&f, 1), REPLAY_WAIT);
	end(&f, take(&f, 0, 0), SLICE_expired, SCHED_READY);
	take(&f, 1, 0);
	finish(&f);
}
END_TEST

START_TEST(who_waits_for_the_next_phase_is_left_out)
{
	struct follower f;

	follow(&f, plain, COUNT_OF(plain));
	end(&f, take(&f, 0, 2), SLICE_blocked, SCHED_BLOCKED);
	replay_leave_out(&f.replay, 2);
	end(&f, take(&f, 0, 0), SLICE_expired, SCHED_READY);
	ck_assert_int_eq(pick(&f, 0), REPLAY_BY_POLICY);
	ck_assert_uint_eq(f.replay.counts.followed, 2);
	ck_assert_uint_eq(f.replay.counts.ended_alike, 1);
	finish(&f);
}
END_TEST

/* pCPU 1 was idle for 5000 ns before vCPU 3 came, so that is no reason to give up. */
START_TEST(patience_lasts_beyond_the_time_that_was_idle_when_it_was_recorded)
{
	struct follower f;

	follow(&f, plain, COUNT_OF(plain));
	end(&f, take(&f, 1, 1), SLICE_halted, SCHED_BLOCKED);
	f.entity[3].state = SCHED_BLOCKED;
	ck_assert_int_eq(pick(&f, 1), REPLAY_WAIT);
	f.now_ns += 2500;
	ck_assert_int_eq(pick(&f, 1), REPLAY_WAIT);
	f.now_ns += 2500 + PATIENCE_NS;
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns));
	ck_assert(replay_lose_patience(&f.replay, f.now_ns + 1));
	ck_assert_uint_eq(f.replay.counts.divergences, 1);
	ck_assert_uint_eq(f.replay.counts.first_entry, 5);
	ck_assert_uint_eq(f.replay.counts.first_pcpu, 1);
	ck_assert_uint_eq(f.replay.counts.first_vcpu, 3);
	ck_assert_int_eq(pick(&f, 0), REPLAY_BY_POLICY);
	ck_assert_int_eq(pick(&f, 1), REPLAY_BY_POLICY);
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns + 100 * PATIENCE_NS));
	finish(&f);
}
END_TEST

START_TEST(who_runs_elsewhere_can_still_come)
{
	struct follower f;

	follow(&f, plain, COUNT_OF(plain));
	f.entity[2].state = SCHED_BLOCKED;
	ck_assert_int_eq(pick(&f, 0), REPLAY_WAIT);
	f.entity[2].state = SCHED_RUNNING;
	ck_assert_int_eq(pick(&f, 0), REPLAY_WAIT);
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns + 100 * PATIENCE_NS));
	finish(&f);
}
END_TEST

static const struct schedule_entry parts[] = {
	{ .pcpu = 0, .vcpu = 0, .end = SLICE_blocked }, { .end = SLICE_begins_phase, .vcpu = 0 },
	{ .pcpu = 0, .vcpu = 1, .end = SLICE_blocked }, { .pcpu = 1, .vcpu = 3, .end = SLICE_idle },
	{ .end = SLICE_begins_phase, .vcpu = 1 },	{ .pcpu = 1, .vcpu = 2, .end = SLICE_idle },
};

START_TEST(each_part_is_followed_whatever_became_of_the_one_before)
{
	struct follower f;

	follow(&f, parts, COUNT_OF(parts));
	ck_assert_uint_eq(f.replay.counts.decisions, 4);
	ck_assert_int_eq(pick(&f, 1), REPLAY_BY_POLICY);
	replay_begin_part(&f.replay);
	f.entity[1].state = SCHED_BLOCKED;
	ck_assert_int_eq(pick(&f, 0), REPLAY_WAIT);
	ck_assert(replay_lose_patience(&f.replay, f.now_ns + 2 * PATIENCE_NS));
	ck_assert_uint_eq(f.replay.counts.first_entry, 3);
	replay_begin_part(&f.replay);
	take(&f, 1, 2);
	ck_assert_int_eq(pick(&f, 0), REPLAY_BY_POLICY);
	for (unsigned k = 0; k < 3; k++) { /* the run has more phases than the recording */
		replay_begin_part(&f.replay);
		ck_assert_int_eq(pick(&f, 0), REPLAY_BY_POLICY);
		ck_assert_int_eq(pick(&f, 1), REPLAY_BY_POLICY);
	}
	finish(&f);
}
END_TEST

START_TEST(a_forced_exit_comes_after_the_same_time)
{
	struct schedule_entry e = { .ran_ns = 70, .start_ns = 123 };

	for (unsigned how = 0; how < NR_SLICE_ENDS; how++) {
		bool forced = how == SLICE_expired || how == SLICE_kept || how == SLICE_idle;

		e.end = (uint16_t)how;
		ck_assert_uint_eq(replay_slice_end(&e, 1000, 400), forced ? 1070 : 1470);
	}
}
END_TEST

START_TEST(a_slice_that_ends_otherwise_is_no_divergence)
{
	struct follower f;

	follow(&f, plain, COUNT_OF(plain));
	end(&f, take(&f, 0, 2), SLICE_halted, SCHED_READY);
	end(&f, take(&f, 1, 1), SLICE_halted, SCHED_READY);
	replay_end_slice(&f.replay, NULL, SLICE_expired);
	ck_assert_uint_eq(f.replay.counts.followed, 2);
	ck_assert_uint_eq(f.replay.counts.ended_alike, 1);
	ck_assert_uint_eq(f.replay.counts.by_policy, 1);
	ck_assert_uint_eq(f.replay.counts.divergences, 0);
	finish(&f);
}
END_TEST

START_TEST(a_vcpu_keeps_its_pcpu_if_it_is_due_there_next)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_kept },
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 1, .end = SLICE_expired },
	};
	struct follower f;

	follow(&f, entries, COUNT_OF(entries));
	take(&f, 0, 0);
	ck_assert(replay_keeps(&f.replay, 0, 0));
	ck_assert(!replay_keeps(&f.replay, 0, 1));
	ck_assert(!replay_keeps(&f.replay, 1, 0));
	replay_take(&f.replay, 0);
	ck_assert(!replay_keeps(&f.replay, 0, 0));
	ck_assert(replay_keeps(&f.replay, 0, 1));
	finish(&f);
}
END_TEST

START_TEST(a_vcpu_keeps_its_pcpu_over_what_was_left_out)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_kept },
		{ .pcpu = 0, .vcpu = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 0, .end = SLICE_expired },
	};
	struct follower f;

	follow(&f, entries, COUNT_OF(entries));
	take(&f, 0, 0);
	ck_assert(!replay_keeps(&f.replay, 0, 0));
	replay_leave_out(&f.replay, 1);
	ck_assert(replay_keeps(&f.replay, 0, 0));
	finish(&f);
}
END_TEST

START_TEST(every_wait_begins_with_all_patience)
{
	static const struct schedule_entry entries[] = {
		{ .pcpu = 0, .vcpu = 1, .end = SLICE_expired },
		{ .pcpu = 0, .vcpu = 2, .end = SLICE_expired },
		{ .pcpu = 1, .vcpu = 0, .end = SLICE_expired },
	};
	struct follower f;

	follow(&f, entries, COUNT_OF(entries));
	f.entity[1].state = f.entity[2].state = SCHED_BLOCKED;
	ck_assert_int_eq(pick(&f, 0), REPLAY_WAIT);
	f.now_ns += PATIENCE_NS;
	f.entity[1].state = SCHED_READY;
	end(&f, take(&f, 0, 1), SLICE_expired, SCHED_READY);
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns + 100 * PATIENCE_NS));
	f.now_ns += PATIENCE_NS;
	ck_assert_int_eq(pick(&f, 0), REPLAY_WAIT);
	f.now_ns += PATIENCE_NS;
	ck_assert(!replay_lose_patience(&f.replay, f.now_ns));
	ck_assert(replay_is_due(&f.replay, 1, 0));
	ck_assert(replay_lose_patience(&f.replay, f.now_ns + 1));
	for (unsigned i = 0; i < NR_VCPUS; i++)
		ck_assert(!replay_is_due(&f.replay, 0, i));
	finish(&f);
}
END_TEST

START_TEST(a_pcpu_is_given_up_for_as_long_as_something_is_recorded)
{
	struct follower f;

	follow(&f, plain, 3);
	ck_assert(replay_is_due(&f.replay, 0, 3)); /* for the pCPU */
	end(&f, take(&f, 0, 2), SLICE_expired, SCHED_READY);
	end(&f, take(&f, 0, 0), SLICE_expired, SCHED_READY);
	ck_assert(!replay_is_due(&f.replay, 0, 3));
	ck_assert(replay_is_due(&f.replay, 0, 1)); /* for the vCPU, elsewhere */
	finish(&f);
}
END_TEST

START_TEST(a_log_takes_entries_and_then_their_ends)
{
	struct schedule_log log = { 0 };

	for (unsigned k = 0; k < 10000; k++) {
		struct schedule_entry e = { .vcpu = k, .end = SLICE_stopped };
		ck_assert_uint_eq(schedule_log_add(&log, &e), k);
	}
	schedule_log_end(&log, 77, SLICE_halted, 5);
	schedule_log_end(&log, SCHEDULE_NO_ENTRY, SLICE_halted, 5);
	for (unsigned k = 0; k < 10000; k++) {
		ck_assert_uint_eq(log.entry[k].vcpu, k);
		ck_assert_uint_eq(log.entry[k].end, k == 77 ? SLICE_halted : SLICE_stopped);
	}
	ck_assert_uint_eq(log.entry[77].ran_ns, 5);
	ck_assert_uint_eq(log.lost, 0);
	schedule_log_finish(&log);
}
END_TEST

START_TEST(a_log_counts_what_it_has_no_memory_for)
{
	struct schedule_log log = { 0 };
	struct schedule_entry e = { .vcpu = 3 };

	fail_allocation_after(0);
	ck_assert_uint_eq(schedule_log_add(&log, &e), SCHEDULE_NO_ENTRY);
	ck_assert_uint_eq(schedule_log_add(&log, &e), SCHEDULE_NO_ENTRY);
	ck_assert_uint_eq(log.nr, 0);
	ck_assert_uint_eq(log.lost, 2);
	schedule_log_finish(&log);
	ck_assert_uint_eq(schedule_log_add(&log, &e), 0); /* it is as new */
	schedule_log_finish(&log);
}
END_TEST

START_TEST(a_replay_without_memory_is_none)
{
	struct schedule_log log = { 0 };
	struct replay r;

	for (unsigned more = 0; more < 4; more++) {
		fail_allocation_after(more);
		ck_assert_int_eq(replay_init(&r, &log, NR_PCPUS, NR_VCPUS, PATIENCE_NS), -1);
		ck_assert_ptr_null(r.pcpu);
		ck_assert_ptr_null(r.due);
		ck_assert_ptr_null(r.later_on_pcpu);
		ck_assert_ptr_null(r.later_of_vcpu);
	}
}
END_TEST

START_TEST(only_the_first_divergence_is_described)
{
	struct follower f;

	follow(&f, parts, COUNT_OF(parts));
	for (unsigned i = 0; i < NR_VCPUS; i++)
		f.entity[i].state = SCHED_BLOCKED;
	for (unsigned k = 0; k < 2; k++) {
		pick(&f, 0);
		ck_assert(replay_lose_patience(&f.replay, f.now_ns + 2 * PATIENCE_NS));
		replay_begin_part(&f.replay);
	}
	ck_assert_uint_eq(f.replay.counts.divergences, 2);
	ck_assert_uint_eq(f.replay.counts.first_entry, 1);
	ck_assert_uint_eq(f.replay.counts.first_vcpu, 0);
	finish(&f);
}
END_TEST

/* What comes after a gap could not be followed, so the log ends with its first loss. */
START_TEST(a_full_log_counts_what_it_loses)
{
	struct schedule_log log = { .nr = SCHEDULE_MAX_ENTRIES, .room = SCHEDULE_MAX_ENTRIES };
	struct schedule_entry e = { 0 };

	ck_assert_uint_eq(schedule_log_add(&log, &e), SCHEDULE_NO_ENTRY);
	log.nr = 0;
	ck_assert_uint_eq(schedule_log_add(&log, &e), SCHEDULE_NO_ENTRY);
	ck_assert_uint_eq(log.lost, 2);
}
END_TEST

START_TEST(every_end_is_found_by_its_name)
{
	for (unsigned how = 0; how < NR_SLICE_ENDS; how++)
		ck_assert_int_eq(slice_end_find(slice_end_name(how)), (int)how);
	ck_assert_int_eq(slice_end_find(""), -1);
	ck_assert_int_eq(slice_end_find("expire"), -1);
}
END_TEST

#define TESTS(X)                                                             \
	X(each_pcpu_goes_to_whom_it_went)                                    \
	X(a_pcpu_waits_for_who_is_due_though_others_are_ready)               \
	X(a_vcpu_keeps_the_order_of_its_turns)                               \
	X(who_waits_for_the_next_phase_is_left_out)                          \
	X(patience_lasts_beyond_the_time_that_was_idle_when_it_was_recorded) \
	X(who_runs_elsewhere_can_still_come)                                 \
	X(each_part_is_followed_whatever_became_of_the_one_before)           \
	X(a_forced_exit_comes_after_the_same_time)                           \
	X(a_slice_that_ends_otherwise_is_no_divergence)                      \
	X(a_vcpu_keeps_its_pcpu_if_it_is_due_there_next)                     \
	X(a_vcpu_keeps_its_pcpu_over_what_was_left_out)                      \
	X(every_wait_begins_with_all_patience)                               \
	X(a_pcpu_is_given_up_for_as_long_as_something_is_recorded)           \
	X(a_log_takes_entries_and_then_their_ends)                           \
	X(a_log_counts_what_it_has_no_memory_for)                            \
	X(a_replay_without_memory_is_none)                                   \
	X(only_the_first_divergence_is_described)                            \
	X(a_full_log_counts_what_it_loses)                                   \
	X(every_end_is_found_by_its_name)

UNIT_SUITE(replay, TESTS)
