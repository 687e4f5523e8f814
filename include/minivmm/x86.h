/* SPDX-License-Identifier: MIT */
/*
 * What host and guest both know of the CPU: bits of page-table entries and control registers, and
 * the registers of the xAPIC. For C and assembly. Intel SDM volume 3: chapters 2, 4 and 11.
 */
#ifndef MINIVMM_X86_H
#define MINIVMM_X86_H

/* ---- page tables ------------------------------------------------------------------- */

#define PTE_PRESENT	  0x001
#define PTE_WRITE	  0x002
#define PTE_USER	  0x004 /* ring 3 may use it */
#define PTE_WRITE_THROUGH 0x008
#define PTE_CACHE_DISABLE 0x010
#define PTE_ACCESSED	  0x020
#define PTE_DIRTY	  0x040
#define PTE_LARGE	  0x080 /* in a directory: a page of 2 MiB, and no table */

/* Entries that lead on to a table, or to large pages of memory and of devices. */
#define PTE_TABLE  (PTE_PRESENT | PTE_WRITE | PTE_USER)
#define PTE_RAM	   (PTE_TABLE | PTE_LARGE)
#define PTE_DEVICE (PTE_RAM | PTE_WRITE_THROUGH | PTE_CACHE_DISABLE)

#define PAGE_BYTES	 4096
#define LARGE_PAGE_BYTES 0x200000
#define PTES_PER_TABLE	 512

#ifndef __ASSEMBLER__
#include <stdint.h>

#define PTE_ADDRESS 0x000ffffffffff000ull

/* The least whole number of pages that so many bytes fit into, in bytes. */
static inline uint64_t page_align(uint64_t bytes)
{
	return (bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1ull);
}
#endif

/* ---- control registers, flags, MSRs, CPUID --------------------------------------------- */

#define CR0_PE	       0x00000001
#define CR0_MP	       0x00000002
#define CR0_ET	       0x00000010
#define CR0_NE	       0x00000020
#define CR0_WP	       0x00010000
#define CR0_PG	       0x80000000
#define CR4_PAE	       0x00000020
#define CR4_PGE	       0x00000080
#define CR4_OSFXSR     0x00000200
#define CR4_OSXMMEXCPT 0x00000400
#define EFER_SCE       0x00000001
#define EFER_LME       0x00000100
#define EFER_LMA       0x00000400

/* Of a vCPU that minivmm starts, and of one that the guest starts itself under PVH. */
#define CR0_64_BIT  (CR0_PE | CR0_MP | CR0_ET | CR0_NE | CR0_WP | CR0_PG)
#define CR4_64_BIT  (CR4_PAE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT)
#define EFER_64_BIT (EFER_SCE | EFER_LME) /* the CPU adds LMA when paging begins */

/* Where a CPU begins after a reset or INIT (SDM vol. 3, "First Instruction Executed"). */
#define RESET_RIP     0xfff0
#define RESET_CS_BASE 0xffff0000

#define RFLAGS_FIXED 0x002 /* reads as one, always */
#define RFLAGS_IF    0x200

#define MSR_TSC		 0x00000010
#define MSR_TSC_DEADLINE 0x000006e0
#define MSR_EFER	 0xc0000080
#define MSR_FS_BASE	 0xc0000100
#define MSR_GS_BASE	 0xc0000101

#define CPUID_1_ECX_MWAIT 0x00000008
#define CPUID_1_ECX_VMX	  0x00000020
#define CPUID_1_ECX_PCID  0x00020000

/* ---- the xAPIC: offsets in its page (MV_XAPIC_GPA), and what is in the registers ---------- */

#define XAPIC_ID	    0x020
#define XAPIC_TASK_PRIORITY 0x080
#define XAPIC_EOI	    0x0b0
#define XAPIC_SPURIOUS	    0x0f0
#define XAPIC_ICR_LOW	    0x300
#define XAPIC_ICR_HIGH	    0x310
#define XAPIC_LVT_TIMER	    0x320
#define XAPIC_LVT_LINT0	    0x350
#define XAPIC_TIMER_INITIAL 0x380
#define XAPIC_TIMER_CURRENT 0x390
#define XAPIC_TIMER_DIVIDE  0x3e0

#define XAPIC_ENABLED	   0x00000100 /* in the spurious-interrupt register */
#define XAPIC_ID_SHIFT	   24	      /* of the id in its register, and of a destination */
#define XAPIC_BROADCAST_ID 255
#define LVT_EXTINT	   0x00000700
#define LVT_MASKED	   0x00010000
#define LVT_TIMER_PERIODIC 0x00020000
#define LVT_TIMER_DEADLINE 0x00040000
#define TIMER_DIVIDE_BY_1  0x0000000b
#define ICR_NMI		   0x00000400
#define ICR_INIT	   0x00000500
#define ICR_STARTUP	   0x00000600
#define ICR_ASSERT	   0x00004000
#define ICR_ALL_BUT_SELF   0x000c0000

#endif
