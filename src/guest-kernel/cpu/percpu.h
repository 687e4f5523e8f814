/* SPDX-License-Identifier: MIT */
/* What each vCPU keeps. What different vCPUs write lies in different cache lines. */
#ifndef GUEST_PERCPU_H
#define GUEST_PERCPU_H

#include <asm/kvm_para.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "guest-kernel/base/layout.h"
#include "guest-kernel/base/targets.h"
#include "minivmm/abi.h"
#include "minivmm/trace_abi.h"

#define CACHE_LINE_BYTES 64
#define cache_aligned	 _Alignas(CACHE_LINE_BYTES)

/* The part of a 64-bit TSS that matters here: where ring 0 finds its stack. */
struct tss {
	uint8_t bytes[TSS_BYTES];
};

/* A kind of page content that changes with each epoch: see oracle.c. */
struct epochs {
	uint64_t *page[8]; /* in rotation; the first word is the generation */
	uint64_t current;
};

struct mechanism;

struct percpu {
	/* Tickets for the flush of this vCPU, taken by initiators: see ipi.c. */
	_Alignas(1 << PERCPU_SHIFT) uint64_t requested;
	/* The last ticket served; written by the IPI handler. */
	cache_aligned uint64_t acked;
	uint32_t index; /* constant */
	/* Written by entry.S, read by the CPU. */
	cache_aligned struct tss tss;

	/* Shared with the host, which wants it aligned to 64 bytes. */
	cache_aligned struct kvm_steal_time steal;

	/* What readers of this vCPU's mappings may expect at least: see oracle.c. */
	cache_aligned uint64_t window_min;
	uint64_t witness_min;

	/* The vCPU's own, constant once it runs ... */
	cache_aligned uint64_t *pml4;
	struct targets targets;	 /* of its shootdowns: the vCPUs that come after it */
	uint32_t nr_targets;	 /* their number; as many vCPUs have it as a target */
	uint32_t nr_vcpus;	 /* of the VM */
	uint64_t *window_table;	 /* leaf table of its window, in everybody's address space */
	uint64_t *witness_table; /* leaf table that only this vCPU uses: a witness per initiator */
	uint64_t *arena_table;	 /* leaf table of its arena, if the scenario has one */
	char *chunk;		 /* ebizzy: memory for its allocations */
	/* ... and its own, changing. */
	const struct mechanism *mechanism; /* in this phase */
	struct mv_result *result;	   /* of that mechanism */
	struct mv_trace_ring *trace;	   /* NULL: this phase is not traced */
	struct epochs window;
	struct epochs witness;
	uint32_t witness_turn; /* rank of the reader whose witness is remapped next; beyond the
				  last: none */
	uint32_t icr_high;     /* as last written to the APIC */
	uint32_t next_read;    /* distance to the initiator to check next, before it; 0: none */
	uint64_t phases;       /* that this vCPU has begun; atomic */
	uint64_t rounds;       /* of the scenario */
	uint64_t random;
};

/* Indexed by vCPU; entry.S finds its own in it. */
extern struct percpu percpus[MV_MAX_VCPUS];

_Static_assert(sizeof(struct percpu) == 1 << PERCPU_SHIFT, "entry.S indexes percpus by shifting");
_Static_assert(offsetof(struct percpu, requested) == PERCPU_REQUESTED, "used by vectors.S");
_Static_assert(offsetof(struct percpu, acked) == PERCPU_ACKED, "used by vectors.S");
_Static_assert(offsetof(struct percpu, index) == PERCPU_INDEX, "used by vectors.S");
_Static_assert(offsetof(struct percpu, tss) == PERCPU_TSS, "used by entry.S");

#endif
