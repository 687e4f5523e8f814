/* SPDX-License-Identifier: MIT */
/*
 * The PVH boot ABI, as far as minivmm and its guest speak it. It is Xen's:
 * docs/misc/pvh.pandoc and xen/include/public/arch-x86/hvm/start_info.h there.
 *
 * An ELF note "Xen" of type PVH_NOTE_ENTRY holds the physical address of the entry.
 * The first CPU starts there in 32-bit protected mode with flat segments, paging and
 * interrupts off, and ebx = physical address of struct pvh_start_info. The others wait
 * for INIT and a start-up IPI.
 */
#ifndef MINIVMM_PVH_H
#define MINIVMM_PVH_H

#define PVH_NOTE_ENTRY	    18	       /* XEN_ELFNOTE_PHYS32_ENTRY */
#define PVH_START_MAGIC	    0x336ec578 /* "xEn3", with the top bit of the E set */
#define PVH_MEMORY_RAM	    1	       /* as in the E820 map */
#define PVH_MEMORY_RESERVED 2

#ifndef __ASSEMBLER__

#include <stdint.h>

struct pvh_start_info {
	uint32_t magic;
	uint32_t version; /* 1: with a memory map */
	uint32_t flags;
	uint32_t nr_modules;
	uint64_t modules_gpa;
	uint64_t command_line_gpa; /* ends with a zero byte; 0: there is none */
	uint64_t rsdp_gpa;	   /* 0: no ACPI */
	uint64_t memory_map_gpa;   /* struct pvh_memory [nr_memory_map] */
	uint32_t nr_memory_map;
	uint32_t reserved;
};

struct pvh_module {
	uint64_t gpa;
	uint64_t bytes;
	uint64_t command_line_gpa; /* 0: none */
	uint64_t reserved;
};

struct pvh_memory {
	uint64_t gpa;
	uint64_t bytes;
	uint32_t type;
	uint32_t reserved;
};

_Static_assert(sizeof(struct pvh_start_info) == 56, "layout is part of the ABI");
_Static_assert(sizeof(struct pvh_module) == 32, "layout is part of the ABI");
_Static_assert(sizeof(struct pvh_memory) == 24, "layout is part of the ABI");

#endif /* __ASSEMBLER__ */
#endif
