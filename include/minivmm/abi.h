/* SPDX-License-Identifier: MIT */
/*
 * The contract between the VMM and a guest: memory map, boot information,
 * doorbell registers, control page and result block.
 *
 * Everything a guest needs is here and in <asm/kvm_para.h> (steal time is
 * KVM's own interface). The header includes nothing of the rest of minivmm and
 * its constants are usable from assembly. IN means written by the VMM and read
 * by the guest, OUT the other way round.
 *
 * How a guest starts: every vCPU starts at the ELF entry point, in 64-bit mode,
 * ring 0, interrupts off, with
 *
 *	rdi = guest-physical address of struct mv_boot_info
 *	rsi = index of this vCPU, 0 to nr_vcpus - 1 (also its xAPIC's id; the x2APIC's of
 *	      vCPU 255 is 511)
 *	rsp = top of a stack of its own (MV_BOOT_STACK_BYTES), aligned for a call
 *
 * Memory is mapped one to one, writable and accessible from ring 3, as are the
 * xAPIC page and the doorbell (both uncached). The page tables are ordinary
 * guest memory, and the guest may extend or replace them.
 *
 * MV_GUEST_NOTE says in the ELF file that a guest is made for this, and for which
 * version. Without it a guest is started so, too, unless it has a PVH note: pvh.h.
 */
#ifndef MINIVMM_ABI_H
#define MINIVMM_ABI_H

#define MV_ABI_VERSION 1

/*
 * The note of a guest: name MV_NOTE_NAME, type MV_ABI_VERSION, no contents. To be
 * written once, in C outside functions and with a semicolon, or in assembly.
 */
#define MV_NOTE_NAME "minivmm"
/* clang-format off */
#define MV_NOTE_DIRECTIVES(name, version)                                       \
	.pushsection .note.minivmm, "a", @note; .balign 4; .long 8, 0, version; \
	.asciz name; .popsection
/* clang-format on */
#ifdef __ASSEMBLER__
#define MV_GUEST_NOTE MV_NOTE_DIRECTIVES(MV_NOTE_NAME, MV_ABI_VERSION)
#else
#define MV_NOTE_TEXT(...)    #__VA_ARGS__
#define MV_NOTE_TEXT_OF(...) MV_NOTE_TEXT(__VA_ARGS__)
#define MV_GUEST_NOTE	     __asm__(MV_NOTE_TEXT_OF(MV_NOTE_DIRECTIVES(MV_NOTE_NAME, MV_ABI_VERSION)))
#endif

/* Limits. xAPIC ids are 8 bits wide, and 255 is the broadcast address, so the
 * last of 256 vCPUs is reached through MV_DB_IPI instead of the ICR. */
#define MV_MAX_VCPUS	  256
#define MV_MAX_MECHANISMS 8
#define MV_NAME_BYTES	  24
#define MV_ARGS_BYTES	  1024

/* The guest-physical memory map. RAM begins at 0; the VMM owns the low part up
 * to MV_IMAGE_GPA and whatever boot info leaves out at the top. */
#define MV_BOOT_INFO_GPA    0x1000
#define MV_CONTROL_GPA	    0x2000
#define MV_PAGE_TABLES_GPA  0x3000
#define MV_IMAGE_GPA	    0x100000
#define MV_MEM_MIN_BYTES    0x400000
#define MV_MEM_MAX_BYTES    0xc0000000
#define MV_DOORBELL_GPA	    0xfd000000
#define MV_XAPIC_GPA	    0xfee00000
#define MV_BOOT_STACK_BYTES 0x4000

/*
 * The doorbell: a page without memory behind it. An aligned load or store of 4
 * or 8 bytes at one of these offsets is a request to the VMM, one for each
 * instruction; anything else ends the run with a message.
 */
#define MV_DB_EXIT  0x00 /* store: end this VM; 0 is success, else a code of the guest's own */
#define MV_DB_PUTS  0x08 /* store: up to eight characters of text, lowest byte first, 0 ends */
#define MV_DB_PHASE 0x10 /* load: wait for the next phase, see struct mv_control */
#define MV_DB_IDLE  0x18 /* store: halt until an interrupt arrives; the pCPU goes to another */
#define MV_DB_YIELD 0x20 /* store: give the pCPU to vCPU n of this VM, or MV_YIELD_ANY */
#define MV_DB_FLUSH 0x28 /* store: flush the vCPUs in the struct mv_flush_mask at this gpa */
#define MV_DB_NOP   0x30 /* load or store: nothing; loads 0 (measures the exit itself) */
#define MV_DB_IPI   0x38 /* store: (vcpu << 8 | vector): deliver this interrupt to this vCPU */

#define MV_YIELD_ANY 0xffffffff

/* Codes for MV_DB_EXIT that the VMM understands; any other is a failure too. */
#define MV_EXIT_OK	 0
#define MV_EXIT_FAILED	 1
#define MV_EXIT_BAD_ARGS 2 /* the user asked for something that the guest cannot do */

/* What a load of MV_DB_PHASE returns when there is nothing left to run. */
#define MV_PHASE_END 0xffffffff

/* mv_control.flags */
#define MV_CONTROL_TRACE 1 /* the guest is asked to record trace events */

#ifndef __ASSEMBLER__

#include <stdint.h>
#include "minivmm/hist.h"

#define MV_BOOT_MAGIC	0x00544f4f424d564dull /* "MVMBOOT" */
#define MV_RESULT_MAGIC 0x00544c53524d564dull /* "MVMRSLT" */

/* mv_counters.stale_seen: the page had been given up and poisoned. */
#define MV_POISON (0xdeadull << 48)

/* Boot information, at MV_BOOT_INFO_GPA; constant while the guest runs. All IN. */
struct mv_boot_info {
	uint64_t magic;
	uint32_t abi_version;
	uint32_t nr_vcpus;
	uint32_t vm_index; /* 0 to the number of VMs sharing the pCPUs - 1 */
	uint32_t nr_mechanisms;
	uint64_t mem_bytes;	/* RAM is [0, mem_bytes) */
	uint64_t free_gpa;	/* page-aligned memory that the VMM and the image leave free */
	uint64_t free_bytes;	/* its size */
	uint64_t results_gpa;	/* struct mv_results, zeroed */
	uint64_t results_bytes; /* room for it */
	uint64_t hints_gpa;	/* struct mv_hint for each vCPU, zeroed */
	uint64_t trace_gpa;	/* struct mv_trace_ring per vCPU, or 0: see trace_abi.h */
	uint64_t trace_bytes;
	uint64_t tsc_hz;	 /* the guest's TSC */
	uint64_t ns_per_tick_32; /* nanoseconds per TSC tick, as a 32.32 fixed-point number */
	uint64_t seed;		 /* whatever is random in the guest comes from this */
	/* Names the mechanisms that phases refer to by index, as in --shootdown. */
	char mechanism[MV_MAX_MECHANISMS][MV_NAME_BYTES];
	char fault[MV_NAME_BYTES]; /* --inject; "none" */
	char args[MV_ARGS_BYTES];  /* what followed "--": KEY=VALUE words, a space between */
};

/*
 * The control page, at MV_CONTROL_GPA: what the VMM says while the guest runs.
 *
 * A run is a sequence of phases, each measuring one mechanism for a short time,
 * so that drift of the machine hits all mechanisms alike. Every vCPU loads
 * MV_DB_PHASE; once all vCPUs of all VMs wait there the VMM picks a phase,
 * writes it here and lets the loads return the mechanism's index. The guest
 * works for as long as `phase` keeps the value it had at that moment, ends what
 * it has begun, and loads MV_DB_PHASE again. While it waits there a vCPU takes
 * no interrupts: nobody may be waiting for it.
 */
struct mv_control {
	uint32_t phase; /* IN, atomic: number of the running phase, from 1; 0: none */
	uint32_t flags; /* IN: MV_CONTROL_*, constant within a phase */
};

/*
 * What a vCPU and the scheduler tell each other, at hints_gpa, each in a cache line of its
 * own. The VMM believes a guest as far as it may be believed: hints can cost it time.
 */
struct mv_hint {
	uint32_t critical; /* OUT: not 0 while this vCPU is inside a shootdown (--grace) */
	uint32_t awaited;  /* OUT, atomic: initiators that wait for its answer (--sched boost) */
	uint32_t extended; /* IN, atomic: its slice was over while critical: yield afterwards */
	uint32_t reserved[13];
};

/* The targets of MV_DB_FLUSH: bit n % 64 of word n / 64 stands for vCPU n. */
struct mv_flush_mask {
	uint64_t word[MV_MAX_VCPUS / 64];
};

/*
 * X(name): what one vCPU counts under one mechanism, in this order. Of several vCPUs the
 * sums count.
 */
#define MV_COUNTED(X)                                                                     \
	X(ops)	      /* units of work done: the scenario says which */                   \
	X(active_ns)  /* sum over phases, from when all were in it until this one left */ \
	X(shootdowns) /* completed */                                                     \
	MV_COUNTED_BY_SHOOTDOWNS(X)

#define MV_COUNTED_BY_SHOOTDOWNS(X)                                                     \
	X(targets)	      /* vCPUs to be flushed, summed over shootdowns */         \
	X(targets_preempted)  /* of those, seen preempted when first looked at */       \
	X(ipis_sent)	      /* one for each target interrupted */                     \
	X(flushes_deferred)   /* targets asked to flush when they run next */           \
	X(defers_raced)	      /* compare-exchanges that lost against the host */        \
	X(rechecks_deferred)  /* of flushes_deferred: after the IPI had been sent */    \
	X(sender_descheduled) /* shootdowns within which the initiator lost its pCPU */ \
	X(oracle_reads)	      /* translations checked */                                \
	X(stale_reads)	      /* translations found to be older than allowed */

/* What is said of the first stale read. */
#define MV_FIRST_STALE(X)                                 \
	X(stale_expected) /* lowest generation allowed */ \
	X(stale_seen)	  /* what was read */             \
	X(stale_gva)	  /* and where */

/*
 * What one vCPU counted under one mechanism. OUT; times in nanoseconds.
 *
 * A shootdown's latency runs from the first look at the target mask until the
 * initiator may go on: the PTE store before it and the local flush after it are
 * the same for every mechanism and have histograms of their own.
 */
struct mv_counters {
#define MV_FIELD(name) uint64_t name;
	MV_COUNTED(MV_FIELD)
	MV_FIRST_STALE(MV_FIELD)
#undef MV_FIELD
	uint64_t reserved;
};

struct mv_result {
	struct mv_counters n;
	struct mv_hist latency;	    /* of a shootdown */
	struct mv_hist latency_net; /* the same less the initiator's own steal time */
	struct mv_hist pte_write;   /* the PTE stores */
	struct mv_hist local_flush; /* the initiator's own flush */
};

/* The result block, at results_gpa. The VMM reads it once, after the guest has
 * stopped, and believes nothing in it without a check. */
struct mv_results {
	uint64_t magic;		      /* OUT: MV_RESULT_MAGIC, once the rest is valid */
	uint32_t nr_vcpus;	      /* OUT */
	uint32_t nr_mechanisms;	      /* OUT */
	char scenario[MV_NAME_BYTES]; /* OUT: what was run */
	char ops_unit[MV_NAME_BYTES]; /* OUT: what mv_counters.ops counts, in the plural */
	struct mv_result result[];    /* OUT: [vcpu * nr_mechanisms + mechanism] */
};

#define MV_RESULTS_BYTES(nr_vcpus, nr_mechanisms) \
	(sizeof(struct mv_results) +              \
	 (uint64_t)(nr_vcpus) * (nr_mechanisms) * sizeof(struct mv_result))

_Static_assert(sizeof(struct mv_hint) == 64, "one cache line");
_Static_assert(sizeof(struct mv_control) == 8, "layout is part of the ABI");
_Static_assert(sizeof(struct mv_counters) == 128, "layout is part of the ABI");
_Static_assert(sizeof(struct mv_boot_info) <= 4096, "boot info is one page");

#endif /* __ASSEMBLER__ */
#endif
