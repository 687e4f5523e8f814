/* SPDX-License-Identifier: MIT */
/* The state in which a vCPU starts: as abi.h says, by page tables built here, or by PVH. */
#include "vmm/machine/x86_boot.h"

#include <stddef.h>
#include <string.h>

#include "minivmm/abi.h"
#include "minivmm/pvh.h"
#include "minivmm/x86.h"
#include "vmm/linux/acpi.h"

#define TABLE_BYTES    (1ull << 30) /* what one page directory maps */
#define NR_DIRECTORIES 4

#define SEG_CODE (0xb) /* execute, read, accessed */
#define SEG_DATA (0x3) /* read, write, accessed */
#define SEG_TSS	 (0xb) /* busy TSS, of 64 bits or of 32 */

/* gpa 0: one top table, one pointer table, and a directory for each of 4 GiB. */
void boot_build_page_tables(const struct guest_mem *mem)
{
	uint64_t *top = guest_mem_own(mem, MV_PAGE_TABLES_GPA, BOOT_PAGE_TABLE_PAGES * PAGE_BYTES);
	uint64_t *pointers = top + PTES_PER_TABLE;
	uint64_t *directories = pointers + PTES_PER_TABLE;
	uint64_t directories_gpa = MV_PAGE_TABLES_GPA + 2 * PAGE_BYTES;

	memset(top, 0, BOOT_PAGE_TABLE_PAGES * PAGE_BYTES);
	top[0] = (MV_PAGE_TABLES_GPA + PAGE_BYTES) | PTE_TABLE;
	for (unsigned i = 0; i < NR_DIRECTORIES; i++)
		pointers[i] = (directories_gpa + i * PAGE_BYTES) | PTE_TABLE;
	for (uint64_t gpa = 0; gpa < mem->bytes; gpa += LARGE_PAGE_BYTES)
		directories[gpa / LARGE_PAGE_BYTES] = gpa | PTE_RAM;

	static const uint64_t devices[] = { MV_DOORBELL_GPA, MV_XAPIC_GPA };
	for (unsigned i = 0; i < sizeof(devices) / sizeof(devices[0]); i++) {
		uint64_t large = devices[i] / LARGE_PAGE_BYTES;
		directories[large] = large * LARGE_PAGE_BYTES | PTE_DEVICE;
	}
}

/* Flat segments; base and limit mean nothing in 64-bit mode. */
static const struct kvm_segment code_segment = {
	.limit = 0xffffffff,
	.selector = 0x10,
	.type = SEG_CODE,
	.present = 1,
	.s = 1,
	.l = 1,
	.g = 1,
};
static const struct kvm_segment data_segment = {
	.limit = 0xffffffff,
	.selector = 0x18,
	.type = SEG_DATA,
	.present = 1,
	.s = 1,
	.db = 1,
	.g = 1,
};
static const struct kvm_segment task_segment = {
	.limit = 0x67,
	.type = SEG_TSS,
	.present = 1,
};

void boot_set_sregs(struct kvm_sregs *sregs)
{
	sregs->cs = code_segment;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data_segment;
	sregs->tr = task_segment;
	sregs->cr0 = CR0_64_BIT;
	sregs->cr3 = MV_PAGE_TABLES_GPA;
	sregs->cr4 = CR4_64_BIT;
	sregs->efer = EFER_64_BIT | EFER_LMA;
}

void boot_set_sregs_without_wp(struct kvm_sregs *sregs)
{
	boot_set_sregs(sregs);
	sregs->cr0 &= ~(uint64_t)CR0_WP;
}

void boot_set_regs(struct kvm_regs *regs, uint64_t entry_gpa, unsigned vcpu, uint64_t stack_top)
{
	*regs = (struct kvm_regs){
		.rip = entry_gpa,
		.rflags = RFLAGS_FIXED,
		.rdi = MV_BOOT_INFO_GPA,
		.rsi = vcpu,
		.rsp = stack_top - sizeof(uint64_t), /* as after a call */
	};
}

/* ---- PVH --------------------------------------------------------------------- */

/* The first MiB as a PC has it: above here were the screen and the firmware. */
#define LOW_RAM_BYTES 0xa0000ull

/* All in one page, which the guest may use once it has read it. */
struct pvh_page {
	struct pvh_start_info info;
	struct pvh_memory memory[4];
	struct pvh_module initrd;
	char command_line[MV_ARGS_BYTES];
};
_Static_assert(sizeof(struct pvh_page) <= PAGE_BYTES, "there is one page for it");

#define IN_PVH_PAGE(member) (MV_BOOT_INFO_GPA + offsetof(struct pvh_page, member))

/*
 * Where a PC's firmware is entered, in real mode. A kernel goes there to restart: on
 * hardware-reduced platforms without EFI Linux knows no other way.
 */
static const uint8_t restart_code[] = {
	0xba, ACPI_PORT_RESET & 0xff, ACPI_PORT_RESET >> 8, /* mov $ACPI_PORT_RESET, %dx */
	0xb0, ACPI_RESET_VALUE,				    /* mov $ACPI_RESET_VALUE, %al */
	0xee,						    /* out %al, (%dx) */
	0xf4,						    /* hlt */
};

void boot_write_pvh_info(const struct guest_mem *mem, const struct pvh_guest *guest)
{
	struct pvh_page *page = guest_mem_own(mem, MV_BOOT_INFO_GPA, sizeof(*page));
	uint8_t *acpi = guest_mem_own(mem, ACPI_GPA, ACPI_BYTES);
	uint64_t free_end_gpa = guest->free_end_gpa;

	*page = (struct pvh_page){
		.info = {
			.magic = PVH_START_MAGIC,
			.version = 1,
			.nr_modules = guest->initrd_bytes ? 1 : 0,
			.modules_gpa = guest->initrd_bytes ? IN_PVH_PAGE(initrd) : 0,
			.command_line_gpa = IN_PVH_PAGE(command_line),
			.rsdp_gpa = ACPI_GPA,
			.memory_map_gpa = IN_PVH_PAGE(memory),
			.nr_memory_map = 4,
		},
		.memory = {
			{ 0, LOW_RAM_BYTES, PVH_MEMORY_RAM, 0 },
			{ LOW_RAM_BYTES, MV_IMAGE_GPA - LOW_RAM_BYTES, PVH_MEMORY_RESERVED, 0 },
			{ MV_IMAGE_GPA, free_end_gpa - MV_IMAGE_GPA, PVH_MEMORY_RAM, 0 },
			{ free_end_gpa, mem->bytes - free_end_gpa, PVH_MEMORY_RESERVED, 0 },
		},
		.initrd = { .gpa = guest->initrd_gpa, .bytes = guest->initrd_bytes },
	};
	strncpy(page->command_line, guest->command_line, MV_ARGS_BYTES - 1);
	acpi_write_tables(acpi, guest->nr_vcpus);
	memcpy(guest_mem_own(mem, PVH_RESTART_GPA, sizeof(restart_code)), restart_code,
	       sizeof(restart_code));
}

void boot_set_pvh_sregs(struct kvm_sregs *sregs)
{
	sregs->cs = code_segment;
	sregs->cs.l = 0;
	sregs->cs.db = 1;
	sregs->ds = sregs->es = sregs->fs = sregs->gs = sregs->ss = data_segment;
	sregs->tr = task_segment;
	sregs->cr0 = CR0_PE | CR0_ET;
	sregs->cr4 = 0;
	sregs->efer = 0;
}

void boot_set_pvh_regs(struct kvm_regs *regs, uint64_t entry_gpa)
{
	*regs = (struct kvm_regs){
		.rip = entry_gpa,
		.rflags = RFLAGS_FIXED,
		.rbx = MV_BOOT_INFO_GPA,
	};
}
