/* SPDX-License-Identifier: MIT */
/*
 * The run loop with real pCPUs and threads, and guests of the test's own: the linker puts what
 * is here in the place of vcpu_run() and its like. A guest follows a script, and what it finds
 * at each entry is written down.
 */
#include "unit.h"

#include <asm/kvm_para.h>
#include <sched.h>
#include <string.h>

#include "pcpu_stage.h"
#include "vcpu/base/clock.h"
#include "vcpu/protocol/host_protocol.h"
#include "vcpu/run_loop.h"

#define MOST_STEPS 4
#define HALT_NS	   1000000    /* how long a halted guest waits for its interrupt at the least */
#define SLEPT_NS   1000000000 /* of a slice in which it halted: most, or KVM is not asked */

/* What a guest does from one entry to the exit that follows. */
enum step {
	STOP,	      /* it ends the run, for all */
	HOLD,	      /* keeps its pCPU until the run is over */
	DIRECT_YIELD, /* and goes on at once if that vCPU does not wait */
	HALT,
	BLOCKED,     /* waits for a phase, which has begun */
	KICKED,	     /* forced out */
	KICKED_IDLE, /* the same, and KVM finds that it has halted long ago */
};

struct script_step {
	unsigned once_waiting; /* BIT() of the vCPUs that have to wait for a pCPU before */
	enum step step;
	unsigned target;
};

struct guest {
	struct vcpu v;
	struct kvm_steal_time page;
	unsigned i;
	pthread_t thread;
	bool started;
	const struct script_step *next;
	enum step now;
	bool access_is_open;
	bool cannot_complete;  /* its instructions make a second access */
	bool stops_when_drain; /* somebody ends the run right before it takes back a kick */
	enum vcpu_idleness idle;

	/* What was seen: */
	unsigned entries, halts, waits, reports, flushes;
	bool marked_in_access; /* or halted */
	uint8_t byte_at_entry; /* all of them together */
	uint8_t byte_when_halted;
	uint64_t woken_ns, entered_ns;
	uint64_t steal_at_first_ns; /* entry */
};

struct bed {
	struct pcpus pcpus;
	int host_cpu[NR_PCPUS];
	struct guest guest[NR];
	pthread_mutex_t lock; /* guards the order */
	unsigned order[NR * MOST_STEPS], nr_entries;
};

static struct bed bed;
static _Thread_local struct guest *self; /* NULL: the functions are what they are elsewhere */

static uint8_t byte_of(struct guest *g)
{
	return __atomic_load_n(&g->page.preempted, __ATOMIC_SEQ_CST);
}

static enum sched_state state_of(unsigned i)
{
	pthread_mutex_lock(&bed.pcpus.lock);
	enum sched_state state = bed.pcpus.entity[i].state;
	pthread_mutex_unlock(&bed.pcpus.lock);
	return state;
}

static void await_state(unsigned i, enum sched_state state)
{
	while (state_of(i) != state)
		sched_yield();
}

/* ---- in the place of KVM --------------------------------------------------------------- */

#define STAND_IN(type, name, ...)        \
	type __real_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__); \
	type __wrap_##name(__VA_ARGS__)

static void note_entry(struct guest *g)
{
	g->entries++;
	g->byte_at_entry |= byte_of(g);
	g->entered_ns = monotonic_ns();
	pthread_mutex_lock(&bed.lock);
	bed.order[bed.nr_entries++] = g->i;
	pthread_mutex_unlock(&bed.lock);
}

static void await_others(const struct script_step *step)
{
	for (unsigned i = 0; i < NR; i++) {
		if (step->once_waiting & BIT(i))
			await_state(i, SCHED_READY);
	}
}

static void be_kicked(struct guest *g, struct vcpu_exit *ret_exit)
{
	ret_exit->kind = VCPU_EXIT_KICK;
	stage_let_time_pass();
	if (g->now != KICKED_IDLE)
		return;
	g->idle = VCPU_HALTED;
	g->v.entered_ns -= SLEPT_NS;
}

STAND_IN(void, vcpu_run, struct vcpu *v, struct vcpu_exit *ret_exit)
{
	struct guest *g = self;

	if (!g) {
		__real_vcpu_run(v, ret_exit);
		return;
	}
	g->now = g->next->step;
	if (g->now != HOLD)
		note_entry(g);
	await_others(g->next);
	v->yield_to = (int)g->next->target;
	g->next++;
	if (g->entries == 1)
		g->steal_at_first_ns = v->stats.steal_ns;
	*ret_exit = (struct vcpu_exit){ .kind = VCPU_EXIT_MMIO };
	if (g->now == HOLD) {
		while (!pcpus_are_stopping(&bed.pcpus))
			sched_yield();
	} else if (g->now == KICKED || g->now == KICKED_IDLE) {
		be_kicked(g, ret_exit);
	} else {
		g->access_is_open = true;
	}
}

STAND_IN(void, vcpu_halt, struct vcpu *v)
{
	if (!self) {
		__real_vcpu_halt(v);
		return;
	}
	self->halts++;
	self->marked_in_access |= self->access_is_open;
}

STAND_IN(void, vcpu_wait_halted, struct vcpu *v, struct vcpu_exit *ret_exit)
{
	if (!self) {
		__real_vcpu_wait_halted(v, ret_exit);
		return;
	}
	uint64_t since_ns = monotonic_ns();

	self->waits++;
	self->byte_when_halted = byte_of(self);
	while (monotonic_ns() < since_ns + HALT_NS)
		;
	self->woken_ns = monotonic_ns();
	self->idle = VCPU_NOT_IDLE;
	ret_exit->kind = VCPU_EXIT_WAKEUP;
}

STAND_IN(enum vcpu_idleness, vcpu_idleness, struct vcpu *v)
{
	return self ? self->idle : __real_vcpu_idleness(v);
}

STAND_IN(void, vcpu_drain_kick, void)
{
	if (self && self->stops_when_drain)
		pcpus_stop(&bed.pcpus);
	__real_vcpu_drain_kick();
}

/* ---- in the place of the protocol and of the VMM ------------------------------------------ */

static bool complete_io(struct vcpu *v)
{
	(void)v;
	if (!self->cannot_complete)
		self->access_is_open = false;
	return !self->access_is_open;
}

/* A shootdown comes in every window, and is deferred. */
static void leave_and_defer(struct vcpu *v)
{
	self->marked_in_access |= self->access_is_open;
	host_protocol.leave(v);
	__atomic_fetch_or(&self->page.preempted, KVM_VCPU_FLUSH_TLB, __ATOMIC_SEQ_CST);
}

static void count_flush(struct vcpu *v)
{
	(void)v;
	self->flushes++;
}

static enum vcpu_action on_exit_of(void *context, struct vcpu *v, const struct vcpu_exit *exit)
{
	struct guest *g = context;

	(void)v;
	if (exit == &vcpu_second_access) {
		g->reports++;
		return VCPU_STOP;
	}
	switch (g->now) {
	case DIRECT_YIELD:
		return VCPU_YIELD;
	case HALT:
		return VCPU_HALT;
	case BLOCKED:
		return VCPU_BLOCK;
	case STOP:
	case HOLD:
	case KICKED:
	case KICKED_IDLE:
		break;
	}
	pcpus_stop(&bed.pcpus);
	return VCPU_STOP;
}

static void on_block(void *context, struct vcpu *v, const struct vcpu_exit *exit)
{
	(void)context, (void)v, (void)exit;
}

/* ---- the bed ------------------------------------------------------------------------------ */

static void *run_guest(void *argument)
{
	struct guest *g = argument;
	struct vcpu_handler handler = { .context = g, .exit = on_exit_of, .blocked = on_block };
	struct error err;

	self = g;
	if (!pcpus_attach(&bed.pcpus, g->i, &err))
		vcpu_run_loop(&g->v, &bed.pcpus, g->i, &handler);
	return NULL;
}

/* Once every thread has ended, as one of the scripts sees to. */
static void bed_finish(void)
{
	for (unsigned i = 0; i < NR; i++) {
		if (!bed.guest[i].started)
			continue;
		pthread_join(bed.guest[i].thread, NULL);
		ck_assert(!bed.guest[i].marked_in_access);
		ck_assert_uint_eq(bed.guest[i].byte_at_entry, 0);
	}
	pcpus_finish(&bed.pcpus);
	pthread_mutex_destroy(&bed.lock);
}

static void bed_init(uint64_t slice_ns)
{
	static const struct flush_primitive flush = { .flush = count_flush };
	static struct host_protocol protocol;
	struct pcpu_config config = stage_config(slice_ns);
	struct error err;

	protocol = host_protocol;
	protocol.complete_io = complete_io;
	protocol.leave = leave_and_defer;
	memset(&bed, 0, sizeof(bed));
	stage_choose_host_cpus(bed.host_cpu);
	stage_block_kicks();
	config.host_cpu = bed.host_cpu;
	pthread_mutex_init(&bed.lock, NULL);
	ck_assert_int_eq(pcpus_init(&bed.pcpus, &config, &err), 0);
	for (unsigned i = 0; i < NR; i++) {
		struct guest *g = &bed.guest[i];

		g->i = i;
		g->v = (struct vcpu){ .index = i % PER_VM,
				      .vm = i / PER_VM,
				      .fd = -1,
				      .flush = &flush,
				      .protocol = &protocol };
		g->v.steal.page = &g->page;
	}
}

static void launch(unsigned i, const struct script_step *script)
{
	struct guest *g = &bed.guest[i];

	g->next = script;
	g->started = true;
	ck_assert_int_eq(pthread_create(&g->thread, NULL, run_guest, g), 0);
}

/* And returns once it runs, or waits for a pCPU: who comes first is settled. */
static void start(unsigned i, const struct script_step *script, enum sched_state state)
{
	launch(i, script);
	await_state(i, state);
}

static const struct script_step holds[] = { { .step = HOLD } };
static const struct script_step stops[] = { { .step = STOP } };

/* vCPU i gets pCPU 0, since vCPU 1 has the other, and no other vCPU but those started later. */
static void start_first(unsigned i, const struct script_step *script)
{
	start(1, holds, SCHED_RUNNING);
	launch(i, script);
}

static void assert_order(const unsigned *order, unsigned nr)
{
	ck_assert_uint_eq(bed.nr_entries, nr);
	for (unsigned n = 0; n < nr; n++)
		ck_assert_uint_eq(bed.order[n], order[n]);
}

/* ---- tests -------------------------------------------------------------------------------- */

START_TEST(a_directed_yield_goes_to_that_vcpu_of_that_vm)
{
	static const struct script_step there[] = {
		{ .once_waiting = BIT(0) | BIT(2) | BIT(5), .step = DIRECT_YIELD, .target = 5 },
		{ .step = STOP },
	};
	static const struct script_step back[] = {
		{ .once_waiting = BIT(3), .step = DIRECT_YIELD, .target = 3 },
	};

	bed_init(NEVER_OVER);
	start_first(3, there);
	await_state(3, SCHED_RUNNING);
	start(0, stops, SCHED_READY);
	start(2, stops, SCHED_READY);
	start(5, back, SCHED_READY);
	bed_finish();
	assert_order((const unsigned[]){ 3, 5, 3 }, 3);
	ck_assert_uint_eq(bed.guest[3].v.stats.yields, 1);
	ck_assert_uint_eq(bed.guest[3].flushes, 2); /* before its first entry, and its second */
}
END_TEST

/* Whoever defers while the yield is under way finds its flush done. */
START_TEST(a_directed_yield_that_goes_on_at_once_takes_the_byte)
{
	static const struct script_step script[] = {
		{ .step = DIRECT_YIELD, .target = 4 }, /* which never wanted a pCPU */
		{ .step = STOP },
	};

	bed_init(NEVER_OVER);
	start_first(3, script);
	bed_finish();
	assert_order((const unsigned[]){ 3, 3 }, 2);
	ck_assert_uint_eq(bed.guest[3].v.stats.marks, 2);
	ck_assert_uint_eq(bed.guest[3].flushes, 2);
}
END_TEST

START_TEST(a_kick_within_the_slice_takes_the_byte)
{
	static const struct script_step script[] = { { .step = KICKED }, { .step = STOP } };

	bed_init(NEVER_OVER);
	start_first(0, script);
	bed_finish();
	assert_order((const unsigned[]){ 0, 0 }, 2);
	ck_assert_uint_eq(bed.guest[0].flushes, 2);
	ck_assert_uint_eq(bed.guest[0].v.stats.preemptions, 0);
}
END_TEST

/* Rule 15 of docs/protocol.md: a halted vCPU is not marked, unless the mechanism wants it so. */
static void find_halted(bool marks_when_halted)
{
	static const struct script_step idles[] = {
		{ .once_waiting = BIT(2), .step = KICKED_IDLE },
	};
	static const struct script_step stops_after[] = {
		{ .once_waiting = BIT(0), .step = STOP },
	};
	struct guest *g = &bed.guest[0];

	bed_init(OVER_AT_ONCE);
	g->v.marks_when_halted = marks_when_halted;
	start_first(0, idles);
	await_state(0, SCHED_RUNNING);
	launch(2, stops_after);
	bed_finish();
	assert_order((const unsigned[]){ 0, 2 }, 2);
	ck_assert_uint_eq(g->halts, 1);
	ck_assert_uint_eq(g->waits, 1);
	ck_assert_uint_eq(g->v.stats.preemptions, 0);
}

START_TEST(a_kicked_vcpu_that_is_found_halted_is_not_marked)
{
	find_halted(false);
	ck_assert_uint_eq(bed.guest[0].byte_when_halted, 0);
	ck_assert_uint_eq(bed.guest[0].flushes, 2);
	find_halted(true);
	ck_assert_uint_eq(bed.guest[0].byte_when_halted, KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB);
	ck_assert_uint_eq(bed.guest[0].flushes, 2);
}
END_TEST

/* A mark is for a vCPU at an instruction boundary. */
START_TEST(an_access_that_cannot_be_completed_is_reported_once)
{
	static const struct script_step scripts[][2] = {
		{ { .step = HALT }, { .step = STOP } },
		{ { .step = BLOCKED }, { .step = STOP } },
		{ { .step = DIRECT_YIELD, .target = 4 }, { .step = STOP } },
	};

	for (unsigned n = 0; n < COUNT_OF(scripts); n++) {
		bed_init(NEVER_OVER);
		bed.guest[3].cannot_complete = true;
		launch(3, scripts[n]);
		bed_finish();
		ck_assert_uint_eq(bed.guest[3].reports, 1);
		ck_assert_uint_eq(bed.guest[3].entries, 1);
		ck_assert_uint_eq(bed.guest[3].halts, 0);
		ck_assert_uint_eq(bed.guest[3].v.stats.marks, 1); /* while it waited to begin */
	}
}
END_TEST

START_TEST(an_access_is_complete_before_a_halt_and_after_a_phase)
{
	static const struct script_step script[] = {
		{ .step = HALT },
		{ .step = BLOCKED },
		{ .step = STOP },
	};

	bed_init(NEVER_OVER);
	bed.guest[3].v.marks_when_halted = true;
	start_first(3, script);
	bed_finish();
	assert_order((const unsigned[]){ 3, 3, 3 }, 3);
	ck_assert_uint_eq(bed.guest[3].flushes, 3);
}
END_TEST

/* The kick that tells of the end is the one that is taken back on the way into the halt. */
START_TEST(a_run_that_ends_on_the_way_into_a_halt_is_not_waited_for)
{
	static const struct script_step script[] = { { .step = HALT }, { .step = STOP } };

	bed_init(NEVER_OVER);
	bed.guest[3].stops_when_drain = true;
	start_first(3, script);
	bed_finish();
	assert_order((const unsigned[]){ 3 }, 1);
	ck_assert_uint_eq(bed.guest[3].halts, 1);
	ck_assert_uint_eq(bed.guest[3].waits, 0);
}
END_TEST

/* Steal time is what passes from the wake-up until the vCPU runs. */
START_TEST(halted_time_is_not_stolen)
{
	static const struct script_step script[] = { { .step = HALT }, { .step = STOP } };
	struct guest *g = &bed.guest[3];

	bed_init(NEVER_OVER);
	start_first(3, script);
	bed_finish();
	uint64_t stolen_ns = g->v.stats.steal_ns - g->steal_at_first_ns;
	ck_assert_uint_le(stolen_ns, g->entered_ns - g->woken_ns);
	ck_assert_uint_eq(g->page.steal, g->v.stats.steal_ns);
	ck_assert_uint_ge(g->v.stats.halted_ns, HALT_NS);
}
END_TEST

#define CASES(X)                                                    \
	X(a_directed_yield_goes_to_that_vcpu_of_that_vm)            \
	X(a_directed_yield_that_goes_on_at_once_takes_the_byte)     \
	X(a_kick_within_the_slice_takes_the_byte)                   \
	X(a_kicked_vcpu_that_is_found_halted_is_not_marked)         \
	X(an_access_that_cannot_be_completed_is_reported_once)      \
	X(an_access_is_complete_before_a_halt_and_after_a_phase)    \
	X(a_run_that_ends_on_the_way_into_a_halt_is_not_waited_for) \
	X(halted_time_is_not_stolen)
UNIT_SUITE(run_loop, CASES)
