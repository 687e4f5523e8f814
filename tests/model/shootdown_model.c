/* SPDX-License-Identifier: MIT */
/*
 * The protocol between one host and two initiators, as a model to explore.
 *
 * Each initiator owns one page, remaps it and shoots down the target, which has
 * both pages in its TLB. The target reads, takes interrupts, and loses its pCPU
 * between any two of its instructions. What the host and the initiators do to the
 * target's byte is include/minivmm/pv_flush.h itself; PV_STEP() hands control to
 * the scheduler before each of its accesses.
 *
 * Every initiator has a store buffer for one PTE: it empties at any time, and at
 * the latest with the next locked operation or store to memory. All else is
 * sequentially consistent.
 */
#include <stdio.h>
#include <string.h>

enum access { LOAD, STORE, LOCKED };

static void model_step(enum access access, const void *byte);
#define PV_STEP(access, address) model_step(access, address)

#include "minivmm/pv_flush.h"
#include "shootdown_model.h"

enum { NR_PAGES = 2, NO_ENTRY = 255 };

/* How long the histories are. */
enum {
	ROUNDS_OF_FIRST = 2,
	ROUNDS_OF_SECOND = 1,
	TRANSLATIONS = 2,
	PREEMPTIONS = 2,
	EXTRA_MARKS = 1
};

/* Thread indexes; the initiators' are also those of their pages. */
enum { INITIATOR_0, INITIATOR_1, TARGET, BUFFER_0, BUFFER_1, NR_THTRANSLATIONS };

/* Translations are generations: the initiator's n-th PTE is n. */
static struct world {
	uint8_t byte; /* the target's `preempted` */
	uint8_t pte[NR_PAGES];
	uint8_t buffered[NR_PAGES]; /* PTE in its initiator's store buffer; 0: none */
	uint8_t tlb[NR_PAGES];
	uint8_t in_flight[NR_PAGES]; /* translation of the instruction that is executing */
	uint8_t executing;	     /* the target is in guest mode */
	uint8_t ipi;		     /* pending */
	uint8_t requested;	     /* the last ticket that was taken */
	uint8_t acked;		     /* the last ticket that was served */
	uint8_t awaited[NR_PAGES];   /* the ticket that each initiator waits for */
	uint8_t required[NR_PAGES];  /* the lowest generation that may still be used */
	uint8_t owed; /* initiators who were promised a flush before the next instruction */
	uint8_t initiators_left;
	uint8_t translations_left;
	uint8_t preemptions_left;
	uint8_t extra_marks_left;
} w;

static enum variant broken;

static const char *host_action; /* name of the host's next locked operation */

/* ---- memory ---------------------------------------------------------------- */

static void empty_store_buffer(unsigned page)
{
	if (w.buffered[page])
		w.pte[page] = w.buffered[page];
	w.buffered[page] = 0;
}

static void model_step(enum access access, const void *byte)
{
	unsigned self = explore_self();

	if (self == TARGET)
		explore_step(host_action);
	else if (access == LOAD)
		explore_step("reads the byte");
	else
		explore_step("compares and exchanges the byte");
	explore_observe(*(const uint8_t *)byte);
	if (access == LOCKED && self != TARGET)
		empty_store_buffer(self);
}

static unsigned buffer_is_full(unsigned self)
{
	return w.buffered[self - BUFFER_0] != 0;
}

static void buffer_run(unsigned self)
{
	static const char *const name[] = { "the PTE reaches memory" };
	uint64_t memory = explore_memory();

	while (explore_choose(name, buffer_is_full) != EXPLORE_STOP) {
		empty_store_buffer(self - BUFFER_0);
		explore_forget(memory);
	}
}

/* ---- the initiators -------------------------------------------------------- */

static enum pv_defer broken_blind_store(void)
{
	model_step(LOAD, &w.byte);
	if (!(w.byte & KVM_VCPU_PREEMPTED))
		return PV_RUNNING;
	explore_step("stores 3 into the byte");
	empty_store_buffer(explore_self());
	w.byte = KVM_VCPU_PREEMPTED | KVM_VCPU_FLUSH_TLB;
	return PV_DEFERRED;
}

static enum pv_defer broken_two_reads(void)
{
	model_step(LOAD, &w.byte);
	if (!(w.byte & KVM_VCPU_PREEMPTED))
		return PV_RUNNING;
	model_step(LOAD, &w.byte);
	uint8_t state = w.byte;
	model_step(LOCKED, &w.byte);
	if (w.byte != state)
		return PV_RACED;
	w.byte = state | KVM_VCPU_FLUSH_TLB;
	return PV_DEFERRED;
}

static enum pv_defer broken_shortcut(void)
{
	model_step(LOAD, &w.byte);
	uint8_t state = w.byte;
	if (!(state & KVM_VCPU_PREEMPTED))
		return PV_RUNNING;
	if (state & KVM_VCPU_FLUSH_TLB)
		return PV_DEFERRED;
	model_step(LOCKED, &w.byte);
	if (w.byte != state)
		return PV_RACED;
	w.byte = state | KVM_VCPU_FLUSH_TLB;
	return PV_DEFERRED;
}

static enum pv_defer broken_inverted(void)
{
	enum pv_defer answer = pv_try_defer(&w.byte);

	return answer == PV_RUNNING ? PV_RUNNING : answer == PV_RACED ? PV_DEFERRED : PV_RACED;
}

static enum pv_defer try_defer(void)
{
	switch (broken) {
	case BLIND_STORE:
		return broken_blind_store();
	case TWO_READS:
		return broken_two_reads();
	case SHORTCUT_ON_PENDING:
		return broken_shortcut();
	case INVERTED_CMPXCHG:
		return broken_inverted();
	default:
		return pv_try_defer(&w.byte);
	}
}

static unsigned is_served(unsigned self)
{
	return w.acked >= w.awaited[self];
}

static bool looks_again(void)
{
	return broken == RECHECK || broken == RECHECK_BY_LOOK;
}

enum { SEE_SERVED, LOOK_AGAIN };

/* A look at a target that runs changes nothing. To leave it out shows who waits for ever. */
static unsigned wait_options(unsigned self)
{
	unsigned set = is_served(self) << SEE_SERVED;

	if (looks_again() && (w.byte & KVM_VCPU_PREEMPTED))
		set |= 1u << LOOK_AGAIN;
	return set;
}

static bool defers_now(void)
{
	if (broken == RECHECK_BY_LOOK)
		return w.byte & KVM_VCPU_PREEMPTED;
	return try_defer() == PV_DEFERRED;
}

/* As in the guest's ipi.c and mechanisms/pv_recheck.c. */
static void wait_or_defer(unsigned self)
{
	static const char *const name[] = { "sees its ticket served", "looks again" };
	uint64_t memory = explore_memory();

	while (explore_choose(name, wait_options) == LOOK_AGAIN) {
		if (defers_now()) {
			w.owed |= (uint8_t)(1 << self);
			return;
		}
		explore_forget(memory);
	}
}

/* As in the guest's ipi.c. */
static void interrupt_and_wait(unsigned self)
{
	explore_step("takes a ticket");
	empty_store_buffer(self);
	w.awaited[self] = ++w.requested;
	explore_step("sends an IPI");
	w.ipi = 1;
	if (broken != DO_NOT_WAIT)
		wait_or_defer(self);
	w.awaited[self] = 0;
}

static void store_pte(unsigned self, uint8_t generation)
{
	explore_step("stores a new PTE into its store buffer");
	empty_store_buffer(self);
	w.buffered[self] = generation;
}

static void shoot_down(unsigned self, uint8_t generation)
{
	if (broken != DEFER_BEFORE_PTE)
		store_pte(self, generation);
	uint64_t memory = explore_memory();
	enum pv_defer answer = try_defer();
	explore_forget(memory);
	if (answer == PV_DEFERRED)
		w.owed |= (uint8_t)(1 << self);
	else
		interrupt_and_wait(self);
	if (broken == DEFER_BEFORE_PTE)
		store_pte(self, generation);
	w.required[self] = generation;
}

static void initiator_run(unsigned self)
{
	uint8_t rounds = self == INITIATOR_0 ? ROUNDS_OF_FIRST : ROUNDS_OF_SECOND;
	uint64_t memory = explore_memory();

	for (uint8_t round = 1; round <= rounds; round++) {
		shoot_down(self, round);
		explore_forget(memory + round);
	}
	w.initiators_left--;
}

/* ---- the host -------------------------------------------------------------- */

static void flush_tlb(void)
{
	memset(w.tlb, NO_ENTRY, sizeof(w.tlb));
	w.owed = 0;
}

static void mark(void)
{
	host_action = "host: marks it preempted";
	if (broken == LOSE_FLUSH_BIT) {
		model_step(LOCKED, &w.byte);
		w.byte = KVM_VCPU_PREEMPTED;
	} else {
		pv_mark_preempted(&w.byte);
	}
}

static uint8_t read_then_clear(void)
{
	host_action = "host: reads the byte";
	model_step(LOAD, &w.byte);
	uint8_t state = w.byte;
	host_action = "host: stores 0 into the byte";
	model_step(LOCKED, &w.byte);
	w.byte = 0;
	return state;
}

static uint8_t take(void)
{
	if (broken == READ_THEN_CLEAR)
		return read_then_clear();
	host_action = "host: takes the byte";
	return pv_take(&w.byte);
}

static bool wants_flush(uint8_t state)
{
	if (broken == SKIP_DEFERRED_FLUSH)
		return false;
	if (broken == TEST_WITH_EQUALS)
		return state == KVM_VCPU_FLUSH_TLB;
	return state & KVM_VCPU_FLUSH_TLB;
}

static void host_flush_if_wanted(uint8_t state)
{
	if (!wants_flush(state))
		return;
	explore_step("host: flushes its TLB");
	flush_tlb();
}

static void host_enter(void)
{
	explore_step("host: enters the guest");
	w.executing = 1;
}

static void host_resume(void)
{
	if (broken == CLEAR_AFTER_FLUSH) {
		host_action = "host: reads the byte";
		model_step(LOAD, &w.byte);
		host_flush_if_wanted(w.byte);
		take();
		host_enter();
		return;
	}
	uint8_t state = take();
	if (broken == ENTER_BEFORE_FLUSH)
		host_enter();
	host_flush_if_wanted(state);
	if (broken != ENTER_BEFORE_FLUSH)
		host_enter();
}

static unsigned parked_options(unsigned self)
{
	(void)self;
	return w.extra_marks_left ? 3 : 1;
}

/* The target lost its pCPU: it is marked, perhaps more than once, and resumed. */
static void host_preempt(void)
{
	static const char *const name[] = { "host: has a pCPU for it again",
					    "host: sees it still parked" };

	w.preemptions_left--;
	if (broken != MARK_WHILE_RUNNING)
		w.executing = 0;
	mark();
	if (broken == MARK_WHILE_RUNNING) {
		explore_step("leaves the guest");
		w.executing = 0;
	}
	while (explore_choose(name, parked_options) == 1) {
		w.extra_marks_left--;
		mark();
	}
	host_resume();
}

/* ---- the target's guest code ----------------------------------------------- */

enum { GO_ON, LOSE_PCPU, SPECULATE_0, SPECULATE_1 };

static unsigned boundary_options(unsigned self)
{
	unsigned set = 1u << GO_ON;

	(void)self;
	if (w.preemptions_left)
		set |= 1u << LOSE_PCPU;
	if (w.translations_left && w.tlb[0] == NO_ENTRY)
		set |= 1u << SPECULATE_0;
	if (w.translations_left && w.tlb[1] == NO_ENTRY)
		set |= 1u << SPECULATE_1;
	return set;
}

static void fill_tlb(unsigned page)
{
	if (w.tlb[page] == NO_ENTRY)
		w.tlb[page] = w.pte[page];
	w.translations_left--;
}

/*
 * The next instruction. Before it the target may lose its pCPU, and the CPU may
 * translate whatever it likes.
 */
static void target_step(const char *action)
{
	const char *const name[] = {
		[GO_ON] = action,
		[LOSE_PCPU] = "loses its pCPU",
		[SPECULATE_0] = "translates page 0, speculatively",
		[SPECULATE_1] = "translates page 1, speculatively",
	};
	uint64_t memory = explore_memory();

	for (;;) {
		unsigned choice = explore_choose(name, boundary_options);
		if (choice == GO_ON || choice == EXPLORE_STOP)
			return;
		if (choice == LOSE_PCPU)
			host_preempt();
		else
			fill_tlb(choice - SPECULATE_0);
		explore_forget(memory);
	}
}

/* An instruction that reads memory: a translation, and then an access through it. */
static void target_access(unsigned page)
{
	fill_tlb(page);
	w.in_flight[page] = w.tlb[page];
	if (broken == MARK_IN_MID_INSTRUCTION)
		target_step("reads through the translation");
	else
		explore_step("reads through the translation");
	w.in_flight[page] = NO_ENTRY;
}

static uint8_t target_read_ticket(void)
{
	target_step("reads the last ticket");
	explore_observe(w.requested);
	return w.requested;
}

static void target_acknowledge(uint8_t ticket)
{
	target_step("acknowledges");
	w.acked = ticket;
}

static void target_flush(void)
{
	if (broken == SKIP_IPI_FLUSH)
		return;
	target_step("flushes its TLB");
	flush_tlb();
}

/* As vector_shootdown in the guest's vectors.S. */
static void target_interrupt(void)
{
	w.ipi = 0;
	if (broken == TICKET_AFTER_FLUSH)
		target_flush();
	uint8_t ticket = target_read_ticket();
	if (broken == ACK_BEFORE_FLUSH)
		target_acknowledge(ticket);
	if (broken != TICKET_AFTER_FLUSH)
		target_flush();
	if (broken != ACK_BEFORE_FLUSH)
		target_acknowledge(ticket);
}

enum { READ_0, READ_1, TAKE_INTERRUPT, LOSE_PCPU_BETWEEN, FINISH };

static unsigned target_options(unsigned self)
{
	unsigned set = 0;

	(void)self;
	if (w.translations_left)
		set |= 1u << READ_0 | 1u << READ_1;
	if (w.ipi)
		set |= 1u << TAKE_INTERRUPT;
	else if (w.initiators_left == 0)
		set |= 1u << FINISH;
	if (w.preemptions_left)
		set |= 1u << LOSE_PCPU_BETWEEN;
	return set;
}

static void target_run(unsigned self)
{
	static const char *const name[] = {
		[READ_0] = "translates page 0",
		[READ_1] = "translates page 1",
		[TAKE_INTERRUPT] = "takes the interrupt",
		[LOSE_PCPU_BETWEEN] = "loses its pCPU",
		[FINISH] = "ends its work",
	};

	uint64_t memory = explore_memory();

	(void)self;
	for (;;) {
		explore_forget(memory);
		switch (explore_choose(name, target_options)) {
		case READ_0:
			target_access(0);
			break;
		case READ_1:
			target_access(1);
			break;
		case TAKE_INTERRUPT:
			target_interrupt();
			break;
		case LOSE_PCPU_BETWEEN:
			host_preempt();
			break;
		default:
			return;
		}
	}
}

/* ---- the model ------------------------------------------------------------- */

static void reset(void)
{
	memset(&w, 0, sizeof(w));
	memset(w.in_flight, NO_ENTRY, sizeof(w.in_flight));
	w.executing = 1;
	w.initiators_left = 2;
	w.translations_left = TRANSLATIONS;
	w.preemptions_left = PREEMPTIONS;
	/* Looking again has many more interleavings, and is no different with two marks. */
	w.extra_marks_left = broken == RECHECK ? 0 : EXTRA_MARKS;
}

/* No instruction may run on an old translation, nor before a flush that is owed. */
static const char *violation(void)
{
	if (!w.executing)
		return NULL;
	for (unsigned page = 0; page < NR_PAGES; page++) {
		if (w.tlb[page] < w.required[page])
			return "the shootdown is complete, and the target still has the old "
			       "translation";
		if (w.in_flight[page] < w.required[page])
			return "the shootdown is complete, and the target's instruction goes on "
			       "with "
			       "the old translation";
	}
	if (w.owed)
		return "the target runs although the flush deferred for it was never done";
	return NULL;
}

static void print_changes(const void *before)
{
	static const char *const name[sizeof(struct world)] = {
		[offsetof(struct world, byte)] = "byte",
		[offsetof(struct world, pte)] = "PTE 0",
		[offsetof(struct world, pte) + 1] = "PTE 1",
		[offsetof(struct world, buffered)] = "buffered PTE 0",
		[offsetof(struct world, buffered) + 1] = "buffered PTE 1",
		[offsetof(struct world, tlb)] = "TLB entry 0",
		[offsetof(struct world, tlb) + 1] = "TLB entry 1",
		[offsetof(struct world, requested)] = "last ticket",
		[offsetof(struct world, acked)] = "acknowledged",
		[offsetof(struct world, required)] = "lowest allowed 0",
		[offsetof(struct world, required) + 1] = "lowest allowed 1",
	};
	const uint8_t *old = before, *new = (const uint8_t *)&w;

	for (size_t i = 0; i < sizeof(w); i++) {
		if (!name[i] || old[i] == new[i])
			continue;
		if (new[i] == NO_ENTRY)
			printf(", %s: %u -> none", name[i], old[i]);
		else if (old[i] == NO_ENTRY)
			printf(", %s: none -> %u", name[i], new[i]);
		else
			printf(", %s: %u -> %u", name[i], old[i], new[i]);
	}
}

static const struct explore_thread threads[NR_THTRANSLATIONS] = {
	[INITIATOR_0] = { "initiator 0", initiator_run, false },
	[INITIATOR_1] = { "initiator 1", initiator_run, false },
	[TARGET] = { "target", target_run, false },
	[BUFFER_0] = { "initiator 0", buffer_run, true },
	[BUFFER_1] = { "initiator 1", buffer_run, true },
};

static const struct explore_model model = {
	.thread = threads,
	.nr_threads = NR_THTRANSLATIONS,
	.world = &w,
	.world_bytes = sizeof(w),
	.reset = reset,
	.violation = violation,
	.print_changes = print_changes,
};

const struct explore_model *shootdown_model(enum variant variant)
{
	broken = variant;
	return &model;
}
