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
#include "vcpu/cpu/apic_timer.h"
#include "vcpu/protocol/host_protocol.h"
#include "vcpu/run_loop.h"

#define MOST_STEPS 6
#define HALT_NS	   1000000 /* how long a halted guest waits for its interrupt at the least */
#define TIMER_NS   3600000000000ull
#define NR_EVENTS  64
#define ENTRY_DATA 0x5a
#define SLEPT_NS   1000000000 /* of a slice in which it halted: most, or KVM is not asked */

/* What a guest does from one entry to the exit that follows. */
enum step {
	STOP,	      /* it ends the run, for all */
	HOLD,	      /* keeps its pCPU until the run is over */
	DIRECT_YIELD, /* and goes on at once if that vCPU does not wait */
	HALT,
	BLOCKED,      /* waits for a phase, which has begun */
	KICKED,	      /* forced out */
	KICKED_IDLE,  /* the same, and KVM finds that it has halted long ago */
	KICKED_RESET, /* or that an INIT has reset it */
	STORE,	      /* of a value that the VMM may change, to who serves it at once */
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
	uint8_t kvm_data[8];   /* of the access, in kvm_run */
	bool cannot_complete;  /* its instructions make a second access */
	bool stops_when_drain; /* somebody ends the run right before it takes back a kick */
	enum vcpu_idleness idle;

	uint64_t timer_ns; /* of its APIC */

	/* What was seen: */
	unsigned entries, halts, waits, timer_looks, starts, blocks, reports, flushes;
	bool kick_was_left;   /* at an entry or a wait */
	bool held_pcpu;	      /* while it executed nothing */
	bool timer_was_armed; /* when it was halted */
	uint8_t byte_when_served;
	bool marked_in_access; /* or halted */
	uint8_t byte_at_entry; /* all of them together */
	uint8_t byte_when_halted;
	uint64_t woken_ns, entered_ns;
	uint64_t steal_at_first_ns; /* entry */
};

struct bed {
	struct pcpus *pcpus;
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
	pthread_mutex_lock(&bed.pcpus->lock);
	enum sched_state state = bed.pcpus->entity[i].state;
	pthread_mutex_unlock(&bed.pcpus->lock);
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

static void leave_kick(void)
{
	pthread_kill(pthread_self(), VCPU_KICK_SIGNAL);
}

static void note_kick(struct guest *g)
{
	sigset_t pending;

	sigpending(&pending);
	g->kick_was_left |= sigismember(&pending, VCPU_KICK_SIGNAL) == 1;
}

static void note_entry(struct guest *g)
{
	note_kick(g);
	g->entries++;
	g->byte_at_entry |= byte_of(g);
	g->entered_ns = monotonic_ns();
	pthread_mutex_lock(&bed.lock);
	bed.order[bed.nr_entries++] = g->i;
	pthread_mutex_unlock(&bed.lock);
}

/* While it executes nothing the pCPU is another's. */
static void note_idleness(struct guest *g)
{
	g->held_pcpu |= state_of(g->i) != SCHED_BLOCKED;
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
	leave_kick();
	stage_let_time_pass();
	if (g->now == KICKED)
		return;
	g->idle = g->now == KICKED_IDLE ? VCPU_HALTED : VCPU_AWAITS_START;
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
	stage_let_time_pass();
	await_others(g->next);
	v->yield_to = (int)g->next->target;
	g->next++;
	if (g->entries == 1)
		g->steal_at_first_ns = v->stats.steal_ns;
	*ret_exit = (struct vcpu_exit){ .kind = VCPU_EXIT_MMIO, .data = g->kvm_data };
	ret_exit->is_write = g->now == STORE;
	memset(g->kvm_data, ENTRY_DATA, sizeof(g->kvm_data));
	if (g->now == HOLD) {
		while (!pcpus_are_stopping(bed.pcpus))
			sched_yield();
	} else if (g->now == KICKED || g->now == KICKED_IDLE || g->now == KICKED_RESET) {
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
	note_idleness(self);
	self->marked_in_access |= self->access_is_open;
}

static bool is_timer_armed(const struct guest *g)
{
	struct itimerspec when;

	timer_gettime(bed.pcpus->waiter[g->i].slice_timer, &when);
	return when.it_value.tv_sec || when.it_value.tv_nsec;
}

STAND_IN(uint64_t, apic_timer_ns, struct vcpu *v)
{
	if (!self)
		return __real_apic_timer_ns(v);
	return self->timer_ns ? self->timer_ns : APIC_TIMER_NEVER;
}

STAND_IN(void, vcpu_expire_timer, struct vcpu *v)
{
	if (!self) {
		__real_vcpu_expire_timer(v);
		return;
	}
	self->timer_looks++;
	leave_kick();
}

static void let_time_of_a_halt_pass(void)
{
	uint64_t since_ns = monotonic_ns();

	while (monotonic_ns() < since_ns + HALT_NS)
		;
}

/* At the second look it has been started. */
STAND_IN(bool, vcpu_wait_started, struct vcpu *v)
{
	if (!self)
		return __real_vcpu_wait_started(v);
	note_idleness(self);
	self->byte_when_halted = byte_of(self);
	self->idle = VCPU_NOT_IDLE;
	let_time_of_a_halt_pass();
	return self->starts++ > 0;
}

STAND_IN(void, vcpu_wait_halted, struct vcpu *v, struct vcpu_exit *ret_exit)
{
	if (!self) {
		__real_vcpu_wait_halted(v, ret_exit);
		return;
	}
	self->waits++;
	note_idleness(self);
	note_kick(self);
	self->timer_was_armed = is_timer_armed(self);
	self->byte_when_halted = byte_of(self);
	let_time_of_a_halt_pass();
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
		pcpus_stop(bed.pcpus);
	__real_vcpu_drain_kick();
}

/* ---- in the place of the protocol and of the VMM ------------------------------------------ */

static bool complete_io(struct vcpu *v)
{
	(void)v;
	if (!self->cannot_complete)
		self->access_is_open = false;
	memset(self->kvm_data, 0, sizeof(self->kvm_data)); /* KVM uses it again */
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
	if (g->now == STORE)
		g->byte_when_served = byte_of(g);
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
	case STORE:
		for (unsigned i = 0; i < sizeof(g->kvm_data); i++)
			ck_assert_uint_eq(exit->data[i], ENTRY_DATA);
		return VCPU_RESUME;
	case STOP:
	case HOLD:
	case KICKED:
	case KICKED_IDLE:
	case KICKED_RESET:
		break;
	}
	pcpus_stop(bed.pcpus);
	return VCPU_STOP;
}

static void on_block(void *context, struct vcpu *v, const struct vcpu_exit *exit)
{
	struct guest *g = context;

	(void)v;
	g->blocks++;
	note_idleness(g);
	ck_assert(g->access_is_open); /* for the answer, which is its data */
	ck_assert_ptr_eq(exit->data, g->kvm_data);
}

/* ---- the bed ------------------------------------------------------------------------------ */

static void *run_guest(void *argument)
{
	struct guest *g = argument;
	struct vcpu_handler handler = { .context = g, .exit = on_exit_of, .blocked = on_block };
	struct error err;

	self = g;
	if (!pcpus_attach(bed.pcpus, g->i, &err))
		vcpu_run_loop(&g->v, bed.pcpus, g->i, &handler);
	return NULL;
}

/* One of the scripts sees to it that every thread ends. */
static void bed_join(void)
{
	for (unsigned i = 0; i < NR; i++) {
		if (bed.guest[i].started)
			pthread_join(bed.guest[i].thread, NULL);
		bed.guest[i].started = false;
	}
}

static void bed_finish(void)
{
	bed_join();
	for (unsigned i = 0; i < NR; i++) {
		ck_assert(!bed.guest[i].marked_in_access);
		ck_assert(!bed.guest[i].held_pcpu);
		trace_ring_destroy(bed.guest[i].v.trace);
		ck_assert_uint_eq(bed.guest[i].byte_at_entry, 0);
	}
	pcpus_destroy(bed.pcpus);
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
	bed.pcpus = pcpus_create(&config, &err);
	ck_assert_ptr_nonnull(bed.pcpus);
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
	ck_assert(!bed.guest[0].kick_was_left);
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
	ck_assert_uint_eq(bed.guest[3].blocks, 1);
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
	uint64_t since_ns = monotonic_ns();

	bed_init(NEVER_OVER);
	start_first(3, script);
	bed_finish();
	ck_assert_uint_le(g->v.stats.halted_ns + g->v.stats.run_ns, monotonic_ns() - since_ns);
	ck_assert_uint_gt(g->v.stats.run_ns, 0);
	uint64_t stolen_ns = g->v.stats.steal_ns - g->steal_at_first_ns;
	ck_assert_uint_le(stolen_ns, g->entered_ns - g->woken_ns);
	ck_assert_uint_eq(g->page.steal, g->v.stats.steal_ns);
	ck_assert_uint_ge(g->v.stats.halted_ns, HALT_NS);
}
END_TEST

/* ---- what is recorded ------------------------------------------------------------------ */

static const enum trace_kind waits_and_runs[] = {
	TRACE_WAIT, TRACE_MARK, TRACE_EXCHANGE, TRACE_FLUSH, TRACE_RUN, TRACE_EXIT,
};

struct expected {
	enum trace_kind kind[NR_EVENTS];
	unsigned nr;
};

static void expect(struct expected *e, const enum trace_kind *kinds, unsigned nr)
{
	memcpy(e->kind + e->nr, kinds, nr * sizeof(*kinds));
	e->nr += nr;
}

static void expect_one(struct expected *e, enum trace_kind kind)
{
	expect(e, &kind, 1);
}

/* Each state once, when it begins, and what happens to the byte within. */
START_TEST(a_trace_tells_what_a_vcpu_did_in_its_order)
{
	static const struct script_step script[] = {
		{ .step = HALT },   { .step = BLOCKED },
		{ .step = KICKED }, { .step = DIRECT_YIELD, .target = 4 },
		{ .step = STOP },
	};
	/* A yield, like a kick, marks before it gives way, and a kick before it is looked into. */
	static const enum trace_kind kicked[] = { TRACE_MARK,  TRACE_WAIT, TRACE_EXCHANGE,
						  TRACE_FLUSH, TRACE_RUN,  TRACE_EXIT };
	struct guest *g = &bed.guest[3];
	struct expected e = { .nr = 0 };

	expect(&e, waits_and_runs, COUNT_OF(waits_and_runs));
	expect_one(&e, TRACE_HALT);
	expect(&e, waits_and_runs, COUNT_OF(waits_and_runs));
	expect_one(&e, TRACE_BLOCK);
	expect(&e, waits_and_runs, COUNT_OF(waits_and_runs));
	expect(&e, kicked, COUNT_OF(kicked));
	expect(&e, waits_and_runs, COUNT_OF(waits_and_runs));

	bed_init(NEVER_OVER);
	struct mv_trace_ring *ring = trace_ring_create(NR_EVENTS);
	g->v.trace = ring;
	start_first(3, script);
	bed_join();
	ck_assert_uint_eq(ring->head, e.nr);
	for (unsigned n = 0; n < e.nr; n++)
		ck_assert_msg(ring->event[n].kind == e.kind[n], "event %u", n);
	ck_assert_uint_eq(g->v.stats.slices, 5);
	bed_finish();
}
END_TEST

/* KVM_RUN does not look at the timer of a vCPU that waits as one that was never started. */
START_TEST(whoever_halts_is_woken_when_its_timer_expires)
{
	static const struct script_step script[] = { { .step = HALT }, { .step = STOP } };

	for (unsigned has_timer = 0; has_timer < 2; has_timer++) {
		bed_init(NEVER_OVER);
		bed.guest[3].timer_ns = has_timer ? TIMER_NS : 0;
		start_first(3, script);
		bed_finish();
		ck_assert_uint_eq(bed.guest[3].waits, 1);
		ck_assert_uint_eq(bed.guest[3].timer_looks, 1);
		ck_assert(!bed.guest[3].kick_was_left);
		ck_assert_uint_eq(bed.guest[3].timer_was_armed, has_timer);
	}
}
END_TEST

static unsigned events_of(const struct mv_trace_ring *ring, enum trace_kind kind)
{
	unsigned nr = 0;

	for (unsigned n = 0; n < ring->head; n++)
		nr += ring->event[n].kind == kind;
	return nr;
}

START_TEST(a_kicked_vcpu_that_is_found_reset_waits_for_its_start)
{
	static const struct script_step is_reset[] = {
		{ .once_waiting = BIT(2), .step = KICKED_RESET },
		{ .step = STOP },
	};
	static const struct script_step halts_after[] = {
		{ .once_waiting = BIT(0), .step = HALT },
		{ .step = STOP },
	};
	struct guest *g = &bed.guest[0];

	bed_init(OVER_AT_ONCE);
	struct mv_trace_ring *ring = trace_ring_create(NR_EVENTS);
	g->v.trace = ring;
	start_first(0, is_reset);
	await_state(0, SCHED_RUNNING);
	launch(2, halts_after);
	bed_join();
	ck_assert_uint_eq(g->starts, 2);
	ck_assert_uint_eq(g->entries, 2);
	ck_assert_uint_eq(g->byte_when_halted, 0);
	ck_assert_uint_eq(g->halts, 0);
	ck_assert_uint_eq(g->v.stats.halts, 1);
	ck_assert_uint_ge(g->v.stats.halted_ns, 2 * HALT_NS);
	ck_assert_uint_eq(events_of(ring, TRACE_HALT), 1);
	bed_finish();
}
END_TEST

/* While a store is served the vCPU executes nothing; a load is not complete before. */
START_TEST(a_vcpu_is_marked_while_its_store_is_served_if_it_has_to_be)
{
	static const struct script_step script[] = { { .step = STORE }, { .step = STOP } };

	for (unsigned marks = 0; marks < 2; marks++) {
		struct guest *g = &bed.guest[3];

		bed_init(NEVER_OVER);
		g->v.marks_exits = marks;
		start_first(3, script);
		bed_join();
		ck_assert_uint_eq(g->byte_when_served,
				  marks ? KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB : 0);
		ck_assert_uint_eq(g->v.stats.marks, 1 + marks);
		ck_assert_uint_eq(g->flushes, 1 + marks);
		ck_assert_uint_eq(g->entries, 2);
		bed_finish();
	}
}
END_TEST

/* As all but the first of a PC do; until then it has no pCPU and no mark. */
START_TEST(a_vcpu_that_is_held_waits_for_its_start_before_its_first_entry)
{
	struct guest *g = &bed.guest[3];

	bed_init(NEVER_OVER);
	g->idle = VCPU_AWAITS_INIT;
	start_first(3, stops);
	bed_finish();
	ck_assert_uint_eq(g->starts, 2);
	ck_assert_uint_eq(g->byte_when_halted, 0);
	ck_assert_uint_eq(g->entries, 1);
	ck_assert_uint_eq(g->v.stats.marks, 1);
}
END_TEST

/* From the end of the slice before it, not from when its holder came to give way. */
START_TEST(a_hand_over_counts_from_the_end_of_the_slice_before)
{
	static const struct script_step gives_way[] = {
		{ .once_waiting = BIT(2), .step = KICKED },
		{ .step = STOP },
	};
	static const struct script_step stops_after[] = {
		{ .once_waiting = BIT(0), .step = STOP },
	};
	const struct mv_hist *handover = &bed.guest[2].v.handover;

	bed_init(OVER_AT_ONCE);
	start_first(0, gives_way);
	await_state(0, SCHED_RUNNING);
	launch(2, stops_after);
	bed_join();
	ck_assert_uint_eq(bed.guest[0].v.stats.preemptions, 0); /* it has not come back */
	ck_assert_uint_eq(bed.guest[0].v.handover.count, 0);
	ck_assert_uint_eq(handover->count, 1);
	ck_assert_uint_eq(handover->max,
			  bed.guest[2].v.entered_ns - pcpus_expired_ns(bed.pcpus, 2));
	ck_assert_uint_gt(handover->max, 0);
	bed_finish();
}
END_TEST

#define CASES(X)                                                          \
	X(a_directed_yield_goes_to_that_vcpu_of_that_vm)                  \
	X(a_directed_yield_that_goes_on_at_once_takes_the_byte)           \
	X(a_kick_within_the_slice_takes_the_byte)                         \
	X(a_kicked_vcpu_that_is_found_halted_is_not_marked)               \
	X(an_access_that_cannot_be_completed_is_reported_once)            \
	X(an_access_is_complete_before_a_halt_and_after_a_phase)          \
	X(a_run_that_ends_on_the_way_into_a_halt_is_not_waited_for)       \
	X(halted_time_is_not_stolen)                                      \
	X(a_trace_tells_what_a_vcpu_did_in_its_order)                     \
	X(whoever_halts_is_woken_when_its_timer_expires)                  \
	X(a_kicked_vcpu_that_is_found_reset_waits_for_its_start)          \
	X(a_vcpu_is_marked_while_its_store_is_served_if_it_has_to_be)     \
	X(a_vcpu_that_is_held_waits_for_its_start_before_its_first_entry) \
	X(a_hand_over_counts_from_the_end_of_the_slice_before)
UNIT_SUITE(run_loop, CASES)
