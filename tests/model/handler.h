/* SPDX-License-Identifier: MIT */
/*
 * The handler of the shootdown interrupt: vector_shootdown as vectors.S has it, read from
 * that file and executed instruction by instruction.
 */
#ifndef MODEL_HANDLER_H
#define MODEL_HANDLER_H

#include <stdbool.h>
#include <stdint.h>

struct percpu;

/* Where an execution of the handler stands. */
struct handler {
	unsigned next; /* instruction */
	uint64_t reg[4];
};

/* Reads the handler; ends the program, naming the line, if it is more than is understood. */
void handler_read(const char *path);

/* The beginning of an execution. */
struct handler handler_begin(void);

/* What its next instruction with an effect for others is called; NULL: it has returned. */
const char *handler_step_name(struct handler *h);

/* Executes that instruction. True if it flushed the TLB. */
bool handler_step(struct handler *h, struct percpu *cpu);

#endif
