/* SPDX-License-Identifier: MIT */
/* Numbers that the assembly and the C of the guest share. */
#ifndef GUEST_LAYOUT_H
#define GUEST_LAYOUT_H

/* Segment selectors, with their privilege level in the low two bits. */
#define SEL_START_CODE	0x08 /* 32-bit, for pvh.S */
#define SEL_KERNEL_CODE 0x10
#define SEL_KERNEL_DATA 0x18
#define SEL_USER_DATA	0x2b
#define SEL_USER_CODE	0x33
#define SEL_TSS		0x40 /* of vCPU 0; 16 bytes for each further one */

/* Interrupt vectors. */
#define VECTOR_INVALID_OPCODE 6
#define NR_EXCEPTIONS	      32
#define VECTOR_BREAKPOINT     3
#define VECTOR_TIMER	      0xef
#define VECTOR_SHOOTDOWN      0xf0
#define VECTOR_SPURIOUS	      0xff
#define NR_VECTORS	      256

/* What UD2 asks of ring 0, in rax. Any other value is an invalid opcode. */
#define KERNEL_CALL_FLUSH_ALL	0x6d760001
#define KERNEL_CALL_LOAD_CR3	0x6d760002
#define KERNEL_CALL_WRMSR	0x6d760003
#define KERNEL_CALL_OUT		0x6d760005
#define KERNEL_CALL_FLUSH_RANGE 0x6d760004

/* The stack that the VMM gives each vCPU serves both rings, ring 0 at the top. */
#define RING0_STACK_BYTES 0x1000

/* struct percpu as the assembly sees it; percpu.h checks the offsets. */
#define PERCPU_SHIFT	 10
#define PERCPU_REQUESTED 0x00
#define PERCPU_ACKED	 0x40
#define PERCPU_INDEX	 0x48
#define PERCPU_TSS	 0x80

/* struct flush_range, likewise; traps.h. */
#define FLUSH_RANGE_GVA	  0
#define FLUSH_RANGE_PAGES 8

#define TSS_BYTES      104
#define TSS_RSP0       4
#define TSS_IOMAP_BASE 102

/* Where pvh.S puts the first instructions of the other CPUs: a page below 1 MiB. */
#define PVH_TRAMPOLINE_GPA 0x8000
#define BOOT_NR_VCPUS	   0x0c /* offset in struct mv_boot_info */

#endif
