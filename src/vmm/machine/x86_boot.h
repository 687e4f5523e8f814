/* SPDX-License-Identifier: MIT */
/* The state in which a vCPU starts: as abi.h says, by page tables built here, or by PVH. */
#ifndef VMM_X86_BOOT_H
#define VMM_X86_BOOT_H

#include <linux/kvm.h>
#include <stdint.h>

#include "vcpu/base/guest_mem.h"

/* Pages that the boot page tables take, from MV_PAGE_TABLES_GPA on. */
#define BOOT_PAGE_TABLE_PAGES 6

/*
 * Writes page tables that map RAM, of which there are MV_MEM_MAX_BYTES at most, the
 * doorbell and the xAPIC page one to one, writable and accessible from ring 3. The last of the 2
 * MiB pages may reach beyond the end of memory; an access there is an exit, as at any other hole.
 */
void boot_build_page_tables(const struct guest_mem *mem);

/*
 * The registers of a vCPU at its first instruction, see abi.h. `sregs` holds what
 * KVM_GET_SREGS said and keeps what is left out here: the local APIC's base, and
 * the descriptor tables, which are empty until the guest loads its own.
 */
void boot_set_sregs(struct kvm_sregs *sregs);
void boot_set_sregs_without_wp(struct kvm_sregs *sregs); /* the same with CR0.WP clear */
void boot_set_regs(struct kvm_regs *regs, uint64_t entry_gpa, unsigned vcpu, uint64_t stack_top);

/* What a PVH guest finds in its memory beside its own image. */
struct pvh_guest {
	uint64_t free_end_gpa;	  /* RAM ends here, the rest of the memory is the VMM's */
	const char *command_line; /* takes up to MV_ARGS_BYTES */
	unsigned nr_vcpus;
	uint64_t initrd_gpa;
	uint64_t initrd_bytes; /* 0: there is none */
};

/* The entry of a PC's firmware, 16 bytes: here it is nothing but a restart. */
#define PVH_RESTART_GPA 0xffff0

/* Writes what `guest` says at MV_BOOT_INFO_GPA, ACPI tables at ACPI_GPA, and the code at
 * PVH_RESTART_GPA. */
void boot_write_pvh_info(const struct guest_mem *mem, const struct pvh_guest *guest);

/* The registers of a PVH guest's first vCPU; what is left out as above. */
void boot_set_pvh_sregs(struct kvm_sregs *sregs);
void boot_set_pvh_regs(struct kvm_regs *regs, uint64_t entry_gpa);

#endif
