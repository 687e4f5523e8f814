/* SPDX-License-Identifier: MIT */
/* Coroutines: the switch of stacks. */
#include <stddef.h>
#include <stdint.h>

#include "coroutine.h"

/*
 * void switch_stack(void **sp);
 *
 * Goes on with the stack at *sp and leaves the present one there. Keeps the
 * registers that a callee has to keep.
 *
 * void coroutine_main(void);
 *
 * Where a coroutine starts, entered by switch_stack() with the coroutine in rbx
 * and its function in r12. In assembly because it never returns: the sanitizers
 * keep a record of calls, which would grow with every coroutine.
 */
void switch_stack(void **sp);
void coroutine_main(void);
__asm__(".text\n"
	".type switch_stack, @function\n"
	"switch_stack:\n"
	"	push %rbp\n"
	"	push %rbx\n"
	"	push %r12\n"
	"	push %r13\n"
	"	push %r14\n"
	"	push %r15\n"
	"	xchg %rsp, (%rdi)\n"
	"	pop %r15\n"
	"	pop %r14\n"
	"	pop %r13\n"
	"	pop %r12\n"
	"	pop %rbx\n"
	"	pop %rbp\n"
	"	ret\n"
	".size switch_stack, . - switch_stack\n"
	".type coroutine_main, @function\n"
	"coroutine_main:\n"
	"	call *%r12\n"
	"	movq $1, 8(%rbx)\n" /* finished */
	"	mov %rbx, %rdi\n"
	"	call switch_stack\n"
	"	ud2\n"
	".size coroutine_main, . - coroutine_main\n");

_Static_assert(offsetof(struct coroutine, sp) == 0, "coroutine_main knows it");
_Static_assert(offsetof(struct coroutine, finished) == 8, "coroutine_main knows it");

/* What switch_stack() pops, lowest address first. */
struct frame {
	uint64_t r15, r14, r13, r12, rbx, rbp, rip;
};

void coroutine_init(struct coroutine *co, void (*run)(void))
{
	struct frame *frame = (struct frame *)(co->stack + COROUTINE_STACK_BYTES) - 1;

	*frame = (struct frame){
		.r12 = (uintptr_t)run,
		.rbx = (uintptr_t)co,
		.rip = (uintptr_t)coroutine_main,
	};
	co->sp = frame;
	co->finished = 0;
}

void coroutine_resume(struct coroutine *co)
{
	switch_stack(&co->sp);
}

void coroutine_yield(struct coroutine *co)
{
	switch_stack(&co->sp);
}
