/* SPDX-License-Identifier: MIT */
/* Interrupts and exceptions: the table of handlers, and the end of a guest that faults. */
#ifndef GUEST_TRAPS_H
#define GUEST_TRAPS_H

#include <stdint.h>

/* A handler of vectors.S. C takes its address and never calls it. */
typedef void vector_entry(void);

extern vector_entry vector_shootdown;
extern vector_entry vector_shootdown_range;
extern vector_entry vector_shootdown_skipping_flush;

/* The pages that vector_shootdown_range flushes. Constant once the vCPUs run. */
struct flush_range {
	uint64_t gva;
	uint64_t nr_pages; /* at least 1 */
};

extern struct flush_range shootdown_range;

/* What the handler of an exception in vectors.S leaves on the stack of ring 0. */
struct trap_frame {
	uint64_t vector;
	uint64_t error_code; /* 0 where the CPU gives none */
	uint64_t rip;
	uint64_t cs;
	uint64_t rflags;
	uint64_t rsp;
	uint64_t ss;
};

/* Fills the IDT that every vCPU has loaded; `shootdown` answers the shootdown IPI. */
void traps_init(vector_entry *shootdown);

/* From now on `shootdown` answers it. */
void traps_answer_shootdown(vector_entry *shootdown);

/* Reports an unexpected exception and ends the run; entered from vectors.S. */
_Noreturn void trap_report(const struct trap_frame *frame, uint64_t cr2, uint32_t index);

#endif
