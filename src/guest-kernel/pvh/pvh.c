/* SPDX-License-Identifier: MIT */
/*
 * The machine that any VMM provides that starts PVH guests, such as QEMU's microvm.
 *
 * No host leads the guest through its phases there, so the guest does it by the TSC; and
 * nobody reads its results, so it prints them.
 */
#include "guest-kernel/pvh/pvh.h"

#include <stddef.h>

#include "guest-kernel/base/layout.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/traps.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/pvh/command_line.h"
#include "guest-kernel/pvh/memory_map.h"
#include "guest-kernel/pvh/other_cpus.h"
#include "guest-kernel/pvh/phases.h"
#include "guest-kernel/pvh/results.h"
#include "guest-kernel/pvh/serial.h"
#include "guest-kernel/pvh/shared.h"
#include "guest-kernel/pvh/timing.h"
#include "guest-kernel/shootdown/ipi.h"
#include "minivmm/pvh.h"

#define page_aligned _Alignas(PAGE_BYTES)

page_aligned uint64_t pvh_top[PTES_PER_TABLE], pvh_pointers[PTES_PER_TABLE];
page_aligned uint64_t pvh_directories[PVH_NR_LARGE_PAGES];
_Alignas(16) uint8_t pvh_stack[MV_BOOT_STACK_BYTES];
uint32_t pvh_start_info_gpa;
struct mv_boot_info pvh_boot;
uint8_t pvh_present[MV_MAX_VCPUS];
uint32_t pvh_nr_arrived;
uint64_t pvh_stacks_gpa;

_Static_assert(offsetof(struct mv_boot_info, nr_vcpus) == BOOT_NR_VCPUS, "used by pvh.S");

/* The other vCPUs have CPUs of their own, as far as anyone here knows. */
static void yield(void)
{
	cpu_relax();
}

static void yield_to(uint32_t vcpu)
{
	(void)vcpu;
	cpu_relax();
}

static __attribute__((noreturn)) void idle(void)
{
	for (;;)
		cpu_relax();
}

static __attribute__((noreturn)) void end(uint32_t code)
{
	serial_end(code == MV_EXIT_OK ? results_print() : code);
}

static const struct platform pvh_platform = {
	.puts = serial_puts,
	.exit = end,
	.wait_phase = phases_wait,
	.after_round = phases_after_round,
	.yield = yield,
	.yield_to = yield_to,
	.halt = yield,
	.idle = idle,
};

const struct mv_boot_info *pvh_start(void)
{
	const struct pvh_start_info *info =
		(const struct pvh_start_info *)(uint64_t)pvh_start_info_gpa;

	platform = &pvh_platform;
	traps_init(vector_shootdown);
	memory_map_all();
	if (info->magic != PVH_START_MAGIC)
		serial_refuse("there is no start info");
	pvh_boot.magic = MV_BOOT_MAGIC;
	pvh_boot.abi_version = MV_ABI_VERSION;
	pvh_boot.seed = rdtsc();
	str_copy(pvh_boot.fault, "none", sizeof(pvh_boot.fault));
	memory_map_lay_out(info);
	uint64_t duration_ms = command_line_parse(
		info->command_line_gpa ? (const char *)info->command_line_gpa : "");

	ipi_enable();
	timing_calibrate();
	phases_init(duration_ms);
	other_cpus_start();
	pvh_boot.results_bytes = MV_RESULTS_BYTES(pvh_boot.nr_vcpus, pvh_boot.nr_mechanisms);
	pvh_boot.results_gpa = memory_map_take(pvh_boot.results_bytes);
	pvh_boot.hints_gpa = memory_map_take(pvh_boot.nr_vcpus * sizeof(struct mv_hint));
	uint64_t stacks = memory_map_take(pvh_boot.nr_vcpus * MV_BOOT_STACK_BYTES);
	timing_print_exit_cost();
	__atomic_store_n(&pvh_stacks_gpa, stacks, __ATOMIC_RELEASE);
	return &pvh_boot;
}
