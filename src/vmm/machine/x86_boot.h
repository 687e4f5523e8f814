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

/*
 * What a PVH guest is told, at MV_BOOT_INFO_GPA: RAM is [0, free_end_gpa), the rest of
 * the memory is the VMM's. The command line takes up to MV_ARGS_BYTES.
 */
void boot_write_pvh_info(const struct guest_mem *mem, uint64_t free_end_gpa,
			 const char *command_line);

/* The registers of a PVH guest's first vCPU; what is left out as above. */
void boot_set_pvh_sregs(struct kvm_sregs *sregs);
void boot_set_pvh_regs(struct kvm_regs *regs, uint64_t entry_gpa);

#endif
