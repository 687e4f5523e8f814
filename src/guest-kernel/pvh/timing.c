/* SPDX-License-Identifier: MIT */
/* How fast the TSC is and what an exit costs, measured. */
#include "guest-kernel/pvh/timing.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/cpu/clock.h"
#include "guest-kernel/pvh/shared.h"
#include "minivmm/hist.h"

#define CALIBRATION_NS 10000000ull

/*
 * Against the local APIC's timer, which counts nanoseconds both in KVM (APIC_BUS_CYCLE_NS
 * in arch/x86/kvm/lapic.h, until a VMM changes it) and in QEMU (hw/intc/apic.c).
 */
void timing_calibrate(void)
{
	uint32_t left;

	apic_write(XAPIC_LVT_TIMER, LVT_MASKED);
	apic_write(XAPIC_TIMER_DIVIDE, TIMER_DIVIDE_BY_1);
	apic_write(XAPIC_TIMER_INITIAL, UINT32_MAX);
	uint32_t start = apic_read(XAPIC_TIMER_CURRENT);
	uint64_t start_tsc = rdtsc();
	do
		left = apic_read(XAPIC_TIMER_CURRENT);
	while (start - left < CALIBRATION_NS);
	uint64_t ticks = rdtsc() - start_tsc;
	apic_write(XAPIC_TIMER_INITIAL, 0);

	pvh_boot.ns_per_tick_32 = ((uint64_t)(start - left) << 32) / ticks;
	clock_ns_per_tick_32 = pvh_boot.ns_per_tick_32;
}

void timing_wait_ns(uint64_t ns)
{
	uint64_t start = rdtsc();

	while (clock_ticks_to_ns(rdtsc() - start) < ns)
		cpu_relax();
}

/* The median round trip of an access that only the VMM's own process can answer. */
void timing_print_exit_cost(void)
{
	static struct mv_hist cost;
	struct line line = { 0 };

	for (unsigned i = 0; i < 200; i++) {
		uint64_t start = rdtsc();

		mmio_read32(MV_DOORBELL_GPA + MV_DB_NOP);
		mv_hist_record(&cost, clock_ticks_to_ns(rdtsc() - start));
	}
	line_add(&line, "guest:");
	line_add_field(&line, "cpus", pvh_boot.nr_vcpus);
	line_add_field(&line, "exit_p50_ns", mv_hist_quantile(&cost, 500000));
	line_print(&line);
}
