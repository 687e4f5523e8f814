/* SPDX-License-Identifier: MIT */
/* The state in which a vCPU starts, held against abi.h by walking the page tables. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "minivmm/abi.h"
#include "minivmm/pvh.h"
#include "vmm/linux/acpi.h"
#include "vmm/machine/x86_boot.h"

#define PRESENT	      0x01
#define WRITE	      0x02
#define USER	      0x04
#define CACHE_DISABLE 0x10
#define LARGE	      0x80
#define ADDRESS	      0x000ffffffffff000ull

#define MEM_BYTES  (64ull << 20)
#define NOT_MAPPED UINT64_MAX

/* Follows the tables as the CPU does; *ret_flags are those that hold at all levels. */
static uint64_t translate(const uint8_t *ram, uint64_t cr3, uint64_t gva, uint64_t *ret_flags)
{
	uint64_t table = cr3;

	*ret_flags = ~0ull;
	for (int shift = 39; shift >= 12; shift -= 9) {
		uint64_t entry = ((const uint64_t *)(ram + table))[gva >> shift & 511];

		if (!(entry & PRESENT))
			return NOT_MAPPED;
		*ret_flags &= entry;
		if (entry & LARGE) {
			*ret_flags = entry & (*ret_flags | ~(uint64_t)(WRITE | USER));
			return (entry & ADDRESS) + (gva & ((1ull << shift) - 1));
		}
		table = entry & ADDRESS;
	}
	return table + (gva & 4095);
}

static uint8_t *build(uint64_t mem_bytes)
{
	uint8_t *ram = malloc(MV_IMAGE_GPA);

	ck_assert_ptr_nonnull(ram);
	memset(ram, 0xa5, MV_IMAGE_GPA);
	/* As much is there as is written to. */
	boot_build_page_tables(
		&(struct guest_mem){ .ram = (struct guest_ram *)ram, .bytes = mem_bytes });
	return ram;
}

START_TEST(memory_is_mapped_one_to_one_and_open_to_ring_3)
{
	uint8_t *ram = build(MEM_BYTES);
	uint64_t flags;

	for (uint64_t gva = 0; gva < MEM_BYTES; gva += 0x1000 + 8) {
		ck_assert_uint_eq(translate(ram, MV_PAGE_TABLES_GPA, gva, &flags), gva);
		ck_assert_uint_eq(flags & (WRITE | USER), WRITE | USER);
		ck_assert_uint_eq(flags & CACHE_DISABLE, 0);
	}
	free(ram);
}
END_TEST

START_TEST(devices_are_mapped_uncached)
{
	static const uint64_t devices[] = { MV_DOORBELL_GPA, MV_DOORBELL_GPA + 0xff8,
					    MV_XAPIC_GPA };
	uint8_t *ram = build(MEM_BYTES);
	uint64_t flags;

	for (unsigned i = 0; i < COUNT_OF(devices); i++) {
		ck_assert_uint_eq(translate(ram, MV_PAGE_TABLES_GPA, devices[i], &flags),
				  devices[i]);
		ck_assert_uint_eq(flags & (WRITE | USER | CACHE_DISABLE),
				  WRITE | USER | CACHE_DISABLE);
	}
	free(ram);
}
END_TEST

START_TEST(nothing_else_is_mapped)
{
	static const uint64_t holes[] = { MEM_BYTES,  1ull << 30, MV_DOORBELL_GPA - 1, 3ull << 30,
					  4ull << 30, 1ull << 39, 1ull << 46 };
	uint8_t *ram = build(MEM_BYTES);
	uint64_t flags;

	for (unsigned i = 0; i < COUNT_OF(holes); i++)
		ck_assert_uint_eq(translate(ram, MV_PAGE_TABLES_GPA, holes[i], &flags), NOT_MAPPED);
	free(ram);
}
END_TEST

START_TEST(the_largest_memory_leaves_the_devices_alone)
{
	uint8_t *ram = build(MV_MEM_MAX_BYTES);
	uint64_t flags, last = MV_MEM_MAX_BYTES - 8;

	ck_assert_uint_eq(translate(ram, MV_PAGE_TABLES_GPA, last, &flags), last);
	ck_assert_uint_eq(translate(ram, MV_PAGE_TABLES_GPA, MV_DOORBELL_GPA, &flags),
			  MV_DOORBELL_GPA);
	free(ram);
}
END_TEST

START_TEST(tables_stay_in_their_pages)
{
	uint8_t *ram = build(MV_MEM_MAX_BYTES);
	uint64_t end = MV_PAGE_TABLES_GPA + BOOT_PAGE_TABLE_PAGES * 4096;

	for (uint64_t gpa = 0; gpa < MV_IMAGE_GPA; gpa++) {
		if (gpa < MV_PAGE_TABLES_GPA || gpa >= end)
			ck_assert_uint_eq(ram[gpa], 0xa5);
	}
	free(ram);
}
END_TEST

/* What the manuals require of a CPU in 64-bit mode (Intel SDM vol. 3, 10.8.5 and 27.3.1). */
START_TEST(a_vcpu_starts_in_64_bit_mode_and_ring_0)
{
	struct kvm_sregs s = { .apic_base = 0xfee00900 };

	boot_set_sregs(&s);
	ck_assert_uint_eq(s.cr0 & 0x80000001, 0x80000001); /* PG, PE */
	ck_assert_uint_eq(s.cr0 & 0x60000000, 0);	   /* CD and NW off: caches on */
	ck_assert_uint_eq(s.cr4 & 0x20, 0x20);		   /* PAE */
	ck_assert_uint_eq(s.efer & 0x500, 0x500);	   /* LME, LMA */
	ck_assert_uint_eq(s.cr3, MV_PAGE_TABLES_GPA);
	ck_assert_uint_eq(s.cs.l, 1);
	ck_assert_uint_eq(s.cs.db, 0);
	ck_assert_uint_eq(s.cs.dpl, 0);
	ck_assert_uint_eq(s.ss.dpl, 0);
	ck_assert_uint_eq(s.cs.selector & 3, 0);
	ck_assert_uint_eq(s.tr.type, 11);
	ck_assert_uint_eq(s.tr.present, 1);
}
END_TEST

START_TEST(write_protection_is_off_where_it_has_to_be_and_nothing_else_is)
{
	struct kvm_sregs with = { .apic_base = 0xfee00900 }, without = with;

	boot_set_sregs(&with);
	boot_set_sregs_without_wp(&without);
	ck_assert_uint_eq(with.cr0 ^ without.cr0, 0x10000);
	with.cr0 = without.cr0;
	ck_assert_mem_eq(&with, &without, sizeof(with));
}
END_TEST

START_TEST(what_is_left_out_stays_as_kvm_had_it)
{
	struct kvm_sregs s = { .apic_base = 0xfee00900, .gdt.limit = 0xffff, .cr8 = 3 };

	boot_set_sregs(&s);
	ck_assert_uint_eq(s.apic_base, 0xfee00900);
	ck_assert_uint_eq(s.gdt.limit, 0xffff);
	ck_assert_uint_eq(s.cr8, 3);
}
END_TEST

START_TEST(registers_are_as_the_abi_says)
{
	struct kvm_regs r;

	memset(&r, 0xff, sizeof(r));
	boot_set_regs(&r, 0x123000, 5, 0x400000);
	ck_assert_uint_eq(r.rip, 0x123000);
	ck_assert_uint_eq(r.rdi, MV_BOOT_INFO_GPA);
	ck_assert_uint_eq(r.rsi, 5);
	ck_assert_uint_eq(r.rflags, 2); /* interrupts off */
	ck_assert_uint_lt(r.rsp, 0x400000);
	/* As the C ABI has it at a function's first instruction. */
	ck_assert_uint_eq((r.rsp + 8) % 16, 0);
	ck_assert_uint_eq(r.rax | r.rbx | r.rcx | r.rdx | r.rbp | r.r15, 0);
}
END_TEST

/* ---- PVH ------------------------------------------------------------------------------ */

START_TEST(a_pvh_guest_starts_in_32_bit_mode_without_paging)
{
	struct kvm_sregs s = {
		.apic_base = 0xfee00900, .cr4 = 0x20, .efer = 0x500, .cr0 = 0xe0000010
	};
	struct kvm_regs r;

	memset(&r, 0xff, sizeof(r));
	boot_set_pvh_sregs(&s);
	boot_set_pvh_regs(&r, 0x123000);
	ck_assert_uint_eq(s.cr0, 0x11); /* PE, ET */
	ck_assert_uint_eq(s.cr4 | s.efer, 0);
	ck_assert_uint_eq(s.cs.db, 1);
	ck_assert_uint_eq(s.cs.l, 0);
	ck_assert_uint_eq(s.cs.type, 0xb); /* code that can be read */
	ck_assert_uint_eq(s.ds.type, 0x3);
	ck_assert_uint_eq(s.es.type & s.ss.type, 0x3);
	ck_assert_uint_eq(s.cs.base | s.ds.base | s.ss.base | s.tr.base, 0);
	ck_assert_uint_eq(s.cs.limit & s.ds.limit, 0xffffffff);
	ck_assert_uint_eq(s.tr.limit, 0x67);
	ck_assert_uint_eq(s.apic_base, 0xfee00900);
	ck_assert_uint_eq(r.rip, 0x123000);
	ck_assert_uint_eq(r.rbx, MV_BOOT_INFO_GPA);
	ck_assert_uint_eq(r.rflags, 2); /* interrupts off */
}
END_TEST

START_TEST(a_pvh_guest_is_told_its_memory_and_its_command_line)
{
	uint8_t *ram = malloc(MV_IMAGE_GPA);
	char longest[MV_ARGS_BYTES];

	memset(longest, 'x', sizeof(longest));
	longest[sizeof(longest) - 1] = '\0';
	memset(ram, 0xa5, MV_IMAGE_GPA);
	memset(ram + ACPI_GPA, 0, ACPI_BYTES);
	boot_write_pvh_info(
		&(struct guest_mem){ .ram = (struct guest_ram *)ram, .bytes = MEM_BYTES },
		&(struct pvh_guest){ .free_end_gpa = 0x3f00000,
				     .command_line = longest,
				     .nr_vcpus = 3 });

	const struct pvh_start_info *info = (const void *)(ram + MV_BOOT_INFO_GPA);
	const struct pvh_memory *map = (const void *)(ram + info->memory_map_gpa);

	ck_assert_uint_eq(info->magic, 0x336ec578);
	ck_assert_uint_eq(info->version, 1);
	ck_assert_uint_eq(info->flags | info->nr_modules | info->modules_gpa, 0);
	ck_assert_uint_eq(info->rsdp_gpa, ACPI_GPA);
	ck_assert_str_eq((const char *)(ram + info->command_line_gpa), longest);
	ck_assert_uint_eq(info->nr_memory_map, 4);
	static const uint64_t ends[] = { 0, 0xa0000, MV_IMAGE_GPA, 0x3f00000, MEM_BYTES };
	for (unsigned i = 0; i < 4; i++) {
		ck_assert_uint_eq(map[i].gpa, ends[i]);
		ck_assert_uint_eq(map[i].gpa + map[i].bytes, ends[i + 1]);
		ck_assert_uint_eq(map[i].type, i % 2 ? PVH_MEMORY_RESERVED : PVH_MEMORY_RAM);
	}
	for (uint64_t gpa = 0; gpa < MV_IMAGE_GPA; gpa++) {
		if ((gpa < MV_BOOT_INFO_GPA || gpa >= MV_BOOT_INFO_GPA + 4096) &&
		    (gpa < ACPI_GPA || gpa >= ACPI_GPA + ACPI_BYTES) && gpa < PVH_RESTART_GPA)
			ck_assert_uint_eq(ram[gpa], 0xa5);
	}
	free(ram);
}
END_TEST

#define CASES(X)                                            \
	X(memory_is_mapped_one_to_one_and_open_to_ring_3)   \
	X(devices_are_mapped_uncached)                      \
	X(nothing_else_is_mapped)                           \
	X(the_largest_memory_leaves_the_devices_alone)      \
	X(tables_stay_in_their_pages)                       \
	X(a_vcpu_starts_in_64_bit_mode_and_ring_0)          \
	X(write_protection_is_off_where_it_has_to_be_and_nothing_else_is) \
	X(what_is_left_out_stays_as_kvm_had_it)             \
	X(registers_are_as_the_abi_says)                    \
	X(a_pvh_guest_starts_in_32_bit_mode_without_paging) \
	X(a_pvh_guest_is_told_its_memory_and_its_command_line)
UNIT_SUITE(x86_boot, CASES)
