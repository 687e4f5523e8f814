/* SPDX-License-Identifier: MIT */
/*
 * The handlers of the shootdown interrupt, as they are in guest.elf, with another initiator
 * between any two of their instructions.
 *
 * The vCPU may cache any translation at any moment, as CPUs do by speculation, so all of them are
 * cached before each instruction. Whatever ticket has been acknowledged, what its initiator
 * stored before it took the ticket has to be all that the vCPU can still use.
 */
#include "unit.h"

#include <stdbool.h>
#include <string.h>

#include "handler_cpu.h"

enum {
	FIRST_TICKET = 5, /* taken before the interrupt, after generation 1 was stored */
	OTHER_TICKET,	  /* taken within the handler, after generation 2 was stored */
	LOOP_STEPS = 100,
	RANGE_GVA = 0x40000000,
};

static const char *const sound[] = { "vector_shootdown", "vector_shootdown_range" };

static void cache_all(struct handler_cpu *cpu, int generation)
{
	for (unsigned page = 0; page < HANDLER_PAGES; page++)
		if (cpu->cached[page] == NOT_CACHED)
			cpu->cached[page] = generation;
}

static bool has_older_than(const struct handler_cpu *cpu, int generation)
{
	for (unsigned page = 0; page < HANDLER_PAGES; page++)
		if (cpu->cached[page] != NOT_CACHED && cpu->cached[page] < generation)
			return true;
	return false;
}

static bool breaks_a_promise(const struct handler_cpu *cpu)
{
	return (cpu->acked >= FIRST_TICKET && has_older_than(cpu, 1)) ||
	       (cpu->acked >= OTHER_TICKET && has_older_than(cpu, 2));
}

static struct handler_cpu interrupted(void)
{
	struct handler_cpu cpu = {
		.requested = FIRST_TICKET,
		.acked = FIRST_TICKET - 1,
		.range_gva = RANGE_GVA,
	};

	for (unsigned i = 0; i < 8; i++)
		cpu.reg[i] = 0x1000 + i;
	cpu.reg[7] = RANGE_GVA + 4096; /* what vector_local_flush is to drop */
	return cpu;		       /* with translations of generation 0 */
}

/* Runs a handler; the other initiator comes before the instruction that is the `moment`-th
 * to be executed. Returns whether a promise was kept at every step. */
static bool keeps_promises(const struct handler *handler, unsigned moment)
{
	struct handler_cpu cpu = interrupted();
	int stored = 1;
	bool kept = true;

	for (unsigned step = 0; !cpu.returned && step < LOOP_STEPS; step++) {
		cache_all(&cpu, stored);
		if (step == moment) {
			stored = 2;
			cpu.requested = OTHER_TICKET;
		}
		handler_step(handler, &cpu);
		kept = kept && !breaks_a_promise(&cpu);
	}
	ck_assert(cpu.returned);
	return kept;
}

/* Undisturbed. */
static void run(const struct handler *handler, struct handler_cpu *cpu)
{
	for (unsigned step = 0; !cpu->returned && step < LOOP_STEPS; step++)
		handler_step(handler, cpu);
	ck_assert(cpu->returned);
}

static bool always_keeps_promises(const struct handler *handler)
{
	for (unsigned moment = 0; moment <= LOOP_STEPS; moment++)
		if (!keeps_promises(handler, moment))
			return false;
	return true;
}

START_TEST(whoever_asks_between_two_instructions_is_not_served_too_early)
{
	for (unsigned i = 0; i < COUNT_OF(sound); i++) {
		struct handler handler;

		handler_load(sound[i], &handler);
		ck_assert_msg(always_keeps_promises(&handler), "%s", sound[i]);
	}
}
END_TEST

START_TEST(the_ticket_found_is_acknowledged_once_before_the_eoi_and_registers_stay)
{
	for (unsigned i = 0; i < COUNT_OF(sound); i++) {
		struct handler_cpu before = interrupted(), cpu = before;
		struct handler handler;

		handler_load(sound[i], &handler);
		run(&handler, &cpu);
		ck_assert_uint_eq(cpu.acked, FIRST_TICKET);
		ck_assert_uint_eq(cpu.nr_eois, 1);
		ck_assert_uint_eq(cpu.acked_at_eoi, FIRST_TICKET);
		ck_assert_uint_eq(cpu.depth, 0);
		ck_assert_mem_eq(cpu.reg, before.reg, sizeof(cpu.reg));
	}
}
END_TEST

START_TEST(the_handler_that_skips_its_flush_is_noticed)
{
	struct handler handler;

	handler_load("vector_shootdown_skipping_flush", &handler);
	ck_assert(!always_keeps_promises(&handler));
}
END_TEST

#define READ_TICKET "\x65\x48\x8b"
#define ACKNOWLEDGE "\x65\x48\x89"
#define LOAD_CR3    "\x0f\x22"

START_TEST(a_ticket_that_is_read_behind_the_flush_is_noticed)
{
	struct handler handler;

	handler_load("vector_shootdown", &handler);
	handler_move(&handler, handler_find(&handler, READ_TICKET, 3),
		     handler_find(&handler, LOAD_CR3, 2));
	ck_assert(!always_keeps_promises(&handler));
}
END_TEST

START_TEST(an_acknowledgment_before_the_flush_is_noticed)
{
	struct handler handler;

	handler_load("vector_shootdown", &handler);
	handler_move(&handler, handler_find(&handler, ACKNOWLEDGE, 3),
		     handler_find(&handler, LOAD_CR3, 2));
	ck_assert(!always_keeps_promises(&handler));
}
END_TEST

START_TEST(the_local_flush_drops_its_page_and_no_other)
{
	struct handler_cpu before = interrupted(), cpu = before;
	struct handler handler;

	handler_load("vector_local_flush", &handler);
	run(&handler, &cpu);
	ck_assert_int_eq(cpu.cached[0], 0);
	ck_assert_int_eq(cpu.cached[1], NOT_CACHED);
	ck_assert_int_eq(cpu.cached[2], 0);
	ck_assert_mem_eq(cpu.reg, before.reg, sizeof(cpu.reg));
}
END_TEST

#define TESTS(X)                                                                   \
	X(whoever_asks_between_two_instructions_is_not_served_too_early)           \
	X(the_ticket_found_is_acknowledged_once_before_the_eoi_and_registers_stay) \
	X(the_handler_that_skips_its_flush_is_noticed)                             \
	X(a_ticket_that_is_read_behind_the_flush_is_noticed)                       \
	X(an_acknowledgment_before_the_flush_is_noticed)                           \
	X(the_local_flush_drops_its_page_and_no_other)

UNIT_SUITE(guest_vectors, TESTS)
