/* SPDX-License-Identifier: MIT */
/*
 * The vCPUs under the guest's C in unit tests: their clock, their TLBs, and what they do to
 * the world outside.
 *
 * A TLB keeps every translation that was ever read through, until it is flushed. One vCPU
 * executes at a time; a test says which.
 */
#ifndef TESTS_GUEST_CPU_H
#define TESTS_GUEST_CPU_H

#include <stdbool.h>
#include <stdint.h>

#include "guest-kernel/cpu/instructions.h"

/* What a test has in the place of an instruction; NULL: it does nothing. */
extern struct guest_cpu {
	uint64_t tsc; /* what rdtsc() returns; nothing but the test moves it */
	void (*relax)(void);
	void (*reads_tsc)(void);
	void (*write)(uint64_t gpa, uint64_t value); /* of a device register */
	void (*flushes)(void);			     /* before any local flush */
	struct cpuid (*cpuid)(uint32_t leaf);	     /* NULL: all zeros */
	uint32_t (*read)(uint64_t gpa);		     /* of a device register; NULL: 0 */
	uint64_t cr3;				     /* that was loaded last */
	void (*wrmsr)(uint32_t msr, uint64_t value);
} guest_cpu;

/* The vCPU that executes from now on; 0 at first. */
void guest_cpu_run_as(uint32_t vcpu);

/* A vCPU drops all that it has cached. */
void guest_cpu_flush(uint32_t vcpu);

/* Whether it has cached a translation of this page. */
bool guest_cpu_has_cached(uint32_t vcpu, uint64_t gva);

/* The word at gva as a vCPU with an empty TLB finds it, by a walk through its page tables. */
const uint64_t *guest_cpu_walk(uint32_t vcpu, uint64_t gva);

#endif
