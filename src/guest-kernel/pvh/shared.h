/* SPDX-License-Identifier: MIT */
/* What pvh.S and the C files of this folder share. */
#ifndef GUEST_PVH_SHARED_H
#define GUEST_PVH_SHARED_H

#include <stdint.h>

#include "minivmm/abi.h"
#include "minivmm/x86.h"

#define PVH_NR_LARGE_PAGES 2048 /* 4 GiB, all that is mapped */

extern uint64_t pvh_top[PTES_PER_TABLE], pvh_pointers[PTES_PER_TABLE];
extern uint64_t pvh_directories[PVH_NR_LARGE_PAGES];
extern uint8_t pvh_stack[MV_BOOT_STACK_BYTES]; /* of the first CPU */
extern uint32_t pvh_start_info_gpa;
extern struct mv_boot_info pvh_boot;	  /* made up, since this VMM gives none */
extern uint8_t pvh_present[MV_MAX_VCPUS]; /* by APIC id */
extern uint32_t pvh_nr_arrived;		  /* atomic: of the other CPUs */
extern uint64_t pvh_stacks_gpa;		  /* atomic; 0 until the others may go on */
extern const uint8_t pvh_trampoline[], pvh_trampoline_end[];

#endif
