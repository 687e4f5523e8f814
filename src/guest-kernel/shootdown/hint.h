/* SPDX-License-Identifier: MIT */
/* Hints for the host's scheduler: who is inside a shootdown, and whose answer is awaited. */
#ifndef GUEST_HINT_H
#define GUEST_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"

/* One for each vCPU, set once from the boot information. */
extern struct mv_hint *hints;

/* A vCPU says this of itself. */
static inline void hint_critical_begins(uint32_t self)
{
	__atomic_store_n(&hints[self].critical, 1, __ATOMIC_RELAXED);
}

/*
 * Returns whether the host has extended this vCPU's slice for the sake of the shootdown, so that
 * it should yield now. The host reads `critical` and writes `extended` only while this vCPU
 * does not execute.
 */
static inline bool hint_critical_ends(uint32_t self)
{
	__atomic_store_n(&hints[self].critical, 0, __ATOMIC_SEQ_CST);
	return __atomic_load_n(&hints[self].extended, __ATOMIC_SEQ_CST);
}

/* An initiator says this of a target. A target may be awaited by several initiators. */
static inline void hint_await(uint32_t target)
{
	__atomic_fetch_add(&hints[target].awaited, 1, __ATOMIC_RELAXED);
}

static inline void hint_await_no_more(uint32_t target)
{
	__atomic_fetch_sub(&hints[target].awaited, 1, __ATOMIC_RELAXED);
}

#endif
