/* SPDX-License-Identifier: MIT */
/* Hints for the host's scheduler: who is inside a shootdown, and whose answer is awaited. */
#ifndef GUEST_HINT_H
#define GUEST_HINT_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"

/* One for each vCPU, set once from the boot information. */
extern struct mv_hint *hints;

/* Said by each vCPU of itself. */
static inline void hint_critical(uint32_t self, bool critical)
{
	__atomic_store_n(&hints[self].critical, critical, __ATOMIC_RELAXED);
}

/* Said by initiators of their targets, of which each may have several. */
static inline void hint_await(uint32_t target)
{
	__atomic_fetch_add(&hints[target].awaited, 1, __ATOMIC_RELAXED);
}

static inline void hint_await_no_more(uint32_t target)
{
	__atomic_fetch_sub(&hints[target].awaited, 1, __ATOMIC_RELAXED);
}

#endif
