/* SPDX-License-Identifier: MIT */
/*
 * What the guest's C files need around them to run in a process: memory, a platform
 * that notes what it is asked, and scenarios without contents.
 *
 * A guest address is an address of this process here. Check runs each test in a process
 * of its own, so that the guest's variables are fresh every time.
 */
#ifndef TESTS_GUEST_DOUBLE_H
#define TESTS_GUEST_DOUBLE_H

#include <setjmp.h>
#include <stdint.h>

extern jmp_buf guest_exit_point;
extern uint32_t guest_exit_code;
extern char guest_said[1024]; /* on the console */
extern unsigned guest_yields;
extern void (*guest_works)(uint64_t us); /* called in the place of work; or NULL */

/* The platform that ships, in the place of which the guest's C finds one of these tests. */
extern const struct platform *guest_doorbell;

/* Runs a statement of the guest's; true if it ended the run. */
#define GUEST_EXITS(statement) (setjmp(guest_exit_point) ? 1 : ((statement), 0))

/* Gives the guest this many free pages, filled with garbage; up to 512. */
void guest_double_memory(uint64_t nr_pages);

/*
 * A guest of so many vCPUs, few of them, each with the next `nr_targets` as its targets: address
 * spaces, what the oracle maps, and results that begin at 0.
 */
void guest_double_vcpus(uint32_t nr_vcpus, uint32_t nr_targets);

/* The number of free pages that it has not taken. */
uint64_t guest_double_pages_left(void);

#endif
