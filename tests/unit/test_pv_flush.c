/* SPDX-License-Identifier: MIT */
/*
 * The protocol's own code: every transition as a table, lost races step by step,
 * and a stress of real threads that has to notice a lost request.
 */
#include "unit.h"

#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <string.h>

/* Lets a test act right before an access: what it does is what the other side did. */
enum access { LOAD, STORE, LOCKED };

static void step(enum access access, const void *address);
#define PV_STEP(access, address) step(access, address)
#include "minivmm/pv_flush.h"

#define P KVM_VCPU_PREEMPTED
#define F KVM_VCPU_FLUSH_TLB

/* What the other side stores just before a locked access; -1: nothing. */
static int store_before_locked = -1;

/* What it does just before a plain access, or NULL. */
static void (*before_plain)(void);

static void step(enum access access, const void *address)
{
	if (access != LOCKED && before_plain)
		before_plain();
	if (access == LOCKED && store_before_locked >= 0)
		__atomic_store_n((uint8_t *)address, (uint8_t)store_before_locked,
				 __ATOMIC_SEQ_CST);
}

/* ---- transitions ------------------------------------------------------------------ */

/* Every operation as one that returns a number. */
static int defer(uint8_t *byte)
{
	return (int)pv_try_defer(byte);
}

static int mark(uint8_t *byte)
{
	pv_mark_preempted(byte);
	return 0;
}

static int take(uint8_t *byte)
{
	return pv_take(byte);
}

START_TEST(every_state_and_operation_leads_where_the_diagram_says)
{
	static const struct {
		uint8_t before;
		int (*operation)(uint8_t *byte);
		int returned;
		uint8_t after;
	} table[] = {
		{ 0, mark, 0, P },
		{ P, mark, 0, P },
		{ P | F, mark, 0, P | F }, /* marked again: the request stays (CVE-2019-3016) */
		{ F, mark, 0, P | F },
		{ 0, take, 0, 0 },
		{ P, take, P, 0 },
		{ P | F, take, P | F, 0 },
		{ F, take, F, 0 },
		{ 0, defer, PV_RUNNING, 0 },
		{ P, defer, PV_DEFERRED, P | F },
		{ P | F, defer, PV_DEFERRED, P | F },
		{ F, defer, PV_RUNNING, F }, /* no vCPU is flushed later that is not preempted */
		{ 0xf0, defer, PV_RUNNING, 0xf0 }, /* bits of a later kernel are left alone */
		{ 0xf0 | P, defer, PV_DEFERRED, 0xf0 | P | F },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		uint8_t byte = table[i].before;

		ck_assert_int_eq(table[i].operation(&byte), table[i].returned);
		ck_assert_uint_eq(byte, table[i].after);
	}
}
END_TEST

START_TEST(a_defer_that_loses_the_race_asks_for_nothing)
{
	static const struct {
		uint8_t looked_at, raced_to;
		enum pv_defer outcome;
		uint8_t after;
	} table[] = {
		{ P, 0, PV_RACED, 0 },		      /* the host took the byte: interrupt */
		{ P | F, 0, PV_RACED, 0 },	      /* and with it an earlier request */
		{ P, P | F, PV_RACED, P | F },	      /* another initiator came first */
		{ P | F, P, PV_RACED, P },	      /* taken and marked again in between */
		{ P, P, PV_DEFERRED, P | F },	      /* taken and marked again, and not noticed: */
		{ P | F, P | F, PV_DEFERRED, P | F }, /* it is preempted, which is what counts */
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		uint8_t byte = table[i].looked_at;

		store_before_locked = table[i].raced_to;
		ck_assert_int_eq(pv_try_defer(&byte), table[i].outcome);
		ck_assert_uint_eq(byte, table[i].after);
	}
	store_before_locked = -1;
}
END_TEST

/* An operation on more than the byte would change what stands beside it (964b7aa0b040). */
START_TEST(no_operation_touches_the_bytes_beside_it)
{
	static int (*const operation[])(uint8_t * byte) = { mark, take, defer };

	for (unsigned i = 0; i < COUNT_OF(operation); i++) {
		struct kvm_steal_time st = { .flags = UINT32_MAX, .preempted = P };

		memset(st.u8_pad, 0xff, sizeof(st.u8_pad));
		operation[i](&st.preempted);
		ck_assert_uint_eq(st.flags, UINT32_MAX);
		for (unsigned pad = 0; pad < sizeof(st.u8_pad); pad++)
			ck_assert_uint_eq(st.u8_pad[pad], 0xff);
	}
}
END_TEST

START_TEST(a_running_vcpu_is_never_written_to)
{
	uint8_t byte = 0;

	/* If it reached a locked access, this would show. */
	store_before_locked = 0xff;
	ck_assert_int_eq(pv_try_defer(&byte), PV_RUNNING);
	store_before_locked = -1;
	ck_assert_uint_eq(byte, 0);
}
END_TEST

START_TEST(steal_time_adds_up_and_its_version_is_even_between_updates)
{
	static const struct {
		uint32_t before, after;
	} table[] = { { 0, 2 }, { 2, 4 }, { 1, 2 }, { 7, 8 }, { UINT32_MAX - 1, 0 } };

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct kvm_steal_time st = { .steal = 1000,
					     .version = table[i].before,
					     .preempted = P | F };

		pv_add_steal(&st, 234);
		ck_assert_uint_eq(st.version, table[i].after);
		ck_assert_uint_eq(st.version & 1, 0);
		ck_assert_uint_eq(pv_read_steal(&st), 1234);
		ck_assert_uint_eq(st.preempted, P | F);
	}
}
END_TEST

/* ---- steal time, step by step ------------------------------------------------------- */

/* The page that is stepped through, and the number of the next step. */
static struct kvm_steal_time page;
static unsigned nr_steps;

#define MAX_STEPS 8

static struct {
	uint32_t version;
	uint64_t steal;
} look[MAX_STEPS];

static void look_at_page(void)
{
	ck_assert_uint_lt(nr_steps, MAX_STEPS);
	look[nr_steps].version = page.version;
	look[nr_steps++].steal = page.steal;
}

/* Rule 20: odd exactly while the time may be half written. */
START_TEST(the_version_is_odd_around_the_store_and_never_else)
{
	page = (struct kvm_steal_time){ .version = 6, .steal = 1000 };
	nr_steps = 0;
	before_plain = look_at_page;
	pv_add_steal(&page, 234);
	before_plain = NULL;
	look_at_page();

	ck_assert_uint_eq(nr_steps, 4);
	for (unsigned i = 0; i < nr_steps; i++) {
		static const uint32_t versions[] = { 6, 7, 7, 8 };

		ck_assert_uint_eq(look[i].version, versions[i]);
		ck_assert_uint_eq(look[i].steal, i < 2 ? 1000 : 1234);
	}
}
END_TEST

/* A writer's update, which a reader's steps fall into the middle of. */
static struct {
	unsigned begins_at, ends_at; /* before which steps of the reader */
} update;

#define OLD_NS	     0x00000001fffffff0ull
#define HALF_WRITTEN 0x00000001000000f0ull /* as by two stores of 32 bits */
#define NEW_NS	     0x00000002000000f0ull

static void write_meanwhile(void)
{
	if (nr_steps == update.begins_at) {
		page.version++;
		page.steal = HALF_WRITTEN;
	}
	if (nr_steps == update.ends_at) {
		page.steal = NEW_NS;
		page.version++;
	}
	nr_steps++;
}

/* The reader's steps: the version, the time, the version; and again, if it has to. */
START_TEST(no_reader_believes_a_time_that_was_read_during_an_update)
{
	enum { READER_STEPS = 3, UNTIL = 3 * READER_STEPS };

	for (update.begins_at = 0; update.begins_at < UNTIL; update.begins_at++) {
		for (update.ends_at = update.begins_at; update.ends_at < UNTIL; update.ends_at++) {
			bool old = update.begins_at >= READER_STEPS;
			/* The first pass that begins after the update is the last. */
			unsigned spoilt = (update.ends_at + READER_STEPS - 1) / READER_STEPS;
			unsigned passes = old ? 1 : spoilt + 1;

			page = (struct kvm_steal_time){ .version = 4, .steal = OLD_NS };
			nr_steps = 0;
			before_plain = write_meanwhile;
			uint64_t ns = pv_read_steal(&page);
			before_plain = NULL;

			ck_assert_uint_eq(ns, old ? OLD_NS : NEW_NS);
			ck_assert_uint_eq(nr_steps, passes * READER_STEPS);
		}
	}
}
END_TEST

/* ---- stress: a host that preempts one vCPU, guests that shoot it ---------------------- */

#define NR_GUESTS	  3
#define NR_PREEMPTIONS	  20000
#define WAIT_FOR_DEFER_IN 16 /* one preemption of so many lasts until somebody has deferred */

/* What the host calls; the ways to get it wrong have a stand-in here. */
struct host_side {
	void (*mark)(uint8_t *byte);
	uint8_t (*take)(uint8_t *byte, void *stress);
};

/*
 * A guest's "PTE" is a number that it raises before each shootdown; the host's
 * "TLB" is what it read of them when it last flushed. After a take, the TLB has
 * to be as new as every PTE whose flush had been deferred.
 */
struct stress {
	const struct host_side *host;
	uint8_t preempted;
	bool stop;
	uint64_t pte[NR_GUESTS];
	uint64_t deferred[NR_GUESTS]; /* the PTE of the last shootdown that was deferred */
	uint64_t nr_deferred;
	uint64_t tlb[NR_GUESTS];
	uint64_t nr_flushes;
	uint64_t nr_lost;
};

struct guest {
	struct stress *stress;
	unsigned index;
};

static void *run_guest(void *arg)
{
	struct guest *guest = arg;
	struct stress *s = guest->stress;

	for (uint64_t n = 1; !__atomic_load_n(&s->stop, __ATOMIC_RELAXED); n++) {
		__atomic_store_n(&s->pte[guest->index], n, __ATOMIC_RELAXED);
		if (pv_try_defer(&s->preempted) != PV_DEFERRED) {
			sched_yield();
			continue;
		}
		__atomic_store_n(&s->deferred[guest->index], n, __ATOMIC_RELEASE);
		__atomic_fetch_add(&s->nr_deferred, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

/*
 * Waits until a shootdown has been deferred since the call. Each guest may still
 * have one to count that it deferred before. Does not yield: since Linux 6.18 who does so
 * again and again falls ever further behind those who do not.
 */
static void wait_for_defer(struct stress *s)
{
	uint64_t seen = __atomic_load_n(&s->nr_deferred, __ATOMIC_ACQUIRE);

	while (__atomic_load_n(&s->nr_deferred, __ATOMIC_ACQUIRE) < seen + NR_GUESTS + 1)
		__builtin_ia32_pause();
}

static void flush(struct stress *s)
{
	for (unsigned g = 0; g < NR_GUESTS; g++)
		s->tlb[g] = __atomic_load_n(&s->pte[g], __ATOMIC_RELAXED);
	s->nr_flushes++;
}

static bool lost_a_request(struct stress *s)
{
	for (unsigned g = 0; g < NR_GUESTS; g++) {
		if (__atomic_load_n(&s->deferred[g], __ATOMIC_ACQUIRE) > s->tlb[g])
			return true;
	}
	return false;
}

/* Marked twice, as by a kernel that marks the same byte; see pv_mark_preempted(). */
static void preempt_once(struct stress *s, bool wait)
{
	s->host->mark(&s->preempted);
	if (wait)
		wait_for_defer(s);
	s->host->mark(&s->preempted);
	if (s->host->take(&s->preempted, s) & F)
		flush(s);
	s->nr_lost += lost_a_request(s);
}

/* Runs the host on this thread until it is done or has lost a request. */
static void run_stress(struct stress *s, const struct host_side *host)
{
	pthread_t thread[NR_GUESTS];
	struct guest guest[NR_GUESTS];

	*s = (struct stress){ .host = host };
	for (unsigned g = 0; g < NR_GUESTS; g++) {
		guest[g] = (struct guest){ s, g };
		ck_assert_int_eq(pthread_create(&thread[g], NULL, run_guest, &guest[g]), 0);
	}
	for (unsigned i = 0; i < NR_PREEMPTIONS && s->nr_lost == 0; i++)
		preempt_once(s, i % WAIT_FOR_DEFER_IN == 0);
	__atomic_store_n(&s->stop, true, __ATOMIC_RELAXED);
	for (unsigned g = 0; g < NR_GUESTS; g++)
		pthread_join(thread[g], NULL);
}

static uint8_t take_rightly(uint8_t *byte, void *stress)
{
	(void)stress;
	return pv_take(byte);
}

/* CVE-2019-3016: a store erases the request that came after the first mark. */
static void mark_with_store(uint8_t *byte)
{
	__atomic_store_n(byte, P, __ATOMIC_SEQ_CST);
}

/* Read first, clear later: a request in between is erased unseen. */
static uint8_t take_in_two_steps(uint8_t *byte, void *stress)
{
	uint8_t state = __atomic_load_n(byte, __ATOMIC_SEQ_CST);

	if (!(state & F))
		wait_for_defer(stress);
	__atomic_store_n(byte, 0, __ATOMIC_SEQ_CST);
	return state;
}

START_TEST(no_request_is_lost_between_real_threads)
{
	static const struct host_side host = { pv_mark_preempted, take_rightly };
	struct stress s;

	run_stress(&s, &host);
	ck_assert_uint_eq(s.nr_lost, 0);
	/* Otherwise nothing was tested. */
	ck_assert_uint_ge(s.nr_flushes, NR_PREEMPTIONS / WAIT_FOR_DEFER_IN);
	ck_assert_uint_ge(s.nr_deferred, s.nr_flushes);
}
END_TEST

START_TEST(the_stress_catches_a_mark_with_a_plain_store)
{
	static const struct host_side host = { mark_with_store, take_rightly };
	struct stress s;

	run_stress(&s, &host);
	ck_assert_uint_eq(s.nr_lost, 1);
}
END_TEST

START_TEST(the_stress_catches_a_take_in_two_steps)
{
	static const struct host_side host = { pv_mark_preempted, take_in_two_steps };
	struct stress s;

	run_stress(&s, &host);
	ck_assert_uint_eq(s.nr_lost, 1);
}
END_TEST

/* ---- steal time, read while it is written ----------------------------------------------- */

#define NR_STEAL_UPDATES 200000

static void *add_steal(void *arg)
{
	for (unsigned i = 0; i < NR_STEAL_UPDATES; i++)
		pv_add_steal(arg, 3);
	return NULL;
}

START_TEST(steal_time_never_runs_backwards_for_a_reader)
{
	struct kvm_steal_time st = { 0 };
	uint64_t last = 0;
	pthread_t thread;

	ck_assert_int_eq(pthread_create(&thread, NULL, add_steal, &st), 0);
	while (last < 3ull * NR_STEAL_UPDATES) {
		uint64_t now = pv_read_steal(&st);

		ck_assert_uint_ge(now, last);
		ck_assert_uint_eq(now % 3, 0);
		last = now;
	}
	pthread_join(thread, NULL);
	ck_assert_uint_eq(st.version, 2 * NR_STEAL_UPDATES);
}
END_TEST

#define TESTS(X)                                                      \
	X(every_state_and_operation_leads_where_the_diagram_says)     \
	X(a_defer_that_loses_the_race_asks_for_nothing)               \
	X(no_operation_touches_the_bytes_beside_it)                   \
	X(a_running_vcpu_is_never_written_to)                         \
	X(steal_time_adds_up_and_its_version_is_even_between_updates) \
	X(the_version_is_odd_around_the_store_and_never_else)         \
	X(no_reader_believes_a_time_that_was_read_during_an_update)   \
	X(no_request_is_lost_between_real_threads)                    \
	X(the_stress_catches_a_mark_with_a_plain_store)               \
	X(the_stress_catches_a_take_in_two_steps)                     \
	X(steal_time_never_runs_backwards_for_a_reader)

UNIT_SUITE(pv_flush, TESTS)
