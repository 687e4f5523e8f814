/* SPDX-License-Identifier: MIT */
/*
 * Coroutines: threads of control that change hands only where they say so.
 *
 * They all run on the caller's one thread, so that sanitizers need to know nothing
 * of them as long as every coroutine is run to its end.
 */
#ifndef MODEL_COROUTINE_H
#define MODEL_COROUTINE_H

#include <stdint.h>

#define COROUTINE_STACK_BYTES 65536

struct coroutine {
	void *sp; /* of whoever is not running: the coroutine or its resumer */
	uint64_t finished;
	_Alignas(16) char stack[COROUTINE_STACK_BYTES];
};

/* Prepares a coroutine that will call `run`; nothing runs yet. */
void coroutine_init(struct coroutine *co, void (*run)(void));

/* Runs a coroutine, which must not have finished, until it yields or ends. */
void coroutine_resume(struct coroutine *co);

/* Goes back to the resumer. Call it inside the coroutine. */
void coroutine_yield(struct coroutine *co);

#endif
