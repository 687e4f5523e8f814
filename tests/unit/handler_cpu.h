/* SPDX-License-Identifier: MIT */
/*
 * A CPU for the handlers of vectors.S: executes the bytes that are in guest.elf, one instruction
 * at a time, so that a test can come between any two. It knows the instructions that those
 * handlers have, and fails the test at any other.
 */
#ifndef TESTS_HANDLER_CPU_H
#define TESTS_HANDLER_CPU_H

#include <stdbool.h>
#include <stdint.h>

enum { HANDLER_MOST_INSTRUCTIONS = 32, HANDLER_PAGES = 3, NOT_CACHED = -1 };

/* A handler's code, cut into instructions; jumps are by instruction. */
struct handler {
	unsigned nr;
	struct instruction {
		uint8_t bytes[16];
		unsigned length, offset;
	} instruction[HANDLER_MOST_INSTRUCTIONS];
};

/* What a handler works on: a vCPU with the fields of struct percpu that vectors.S names. */
struct handler_cpu {
	uint64_t reg[8]; /* by number: rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi */
	uint64_t stack[8];
	unsigned depth;
	unsigned next; /* instruction */
	bool returned; /* by iretq */
	uint64_t requested, acked;
	unsigned nr_eois;
	uint64_t acked_at_eoi;
	uint64_t range_gva;	   /* shootdown_range, of HANDLER_PAGES pages */
	int cached[HANDLER_PAGES]; /* generation of its translation of each page, or NOT_CACHED */
};

/* Reads a handler out of guest.elf, by its symbol. */
void handler_load(const char *symbol, struct handler *ret_handler);

/* Executes the next instruction. */
void handler_step(const struct handler *handler, struct handler_cpu *cpu);

/* Moves an instruction to another place. Not over a jump, or over its target. */
void handler_move(struct handler *handler, unsigned from, unsigned to);

/* The first instruction that begins with these bytes. */
unsigned handler_find(const struct handler *handler, const char *bytes, unsigned nr_bytes);

#endif
