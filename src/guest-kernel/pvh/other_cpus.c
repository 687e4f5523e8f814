/* SPDX-License-Identifier: MIT */
/* The CPUs that the VMM leaves to the guest to start. */
#include "guest-kernel/pvh/other_cpus.h"

#include "guest-kernel/base/layout.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/cpu/apic.h"
#include "guest-kernel/pvh/serial.h"
#include "guest-kernel/pvh/shared.h"
#include "guest-kernel/pvh/timing.h"

#define INIT_NS	    10000000ull
#define QUIET_NS    100000000ull  /* all CPUs are there if none has arrived for so long */
#define PATIENCE_NS 2000000000ull /* how long to wait while none has, or ids have gaps */

static bool ids_have_gaps(uint32_t nr_cpus)
{
	for (uint32_t id = 0; id < nr_cpus; id++) {
		if (!pvh_present[id])
			return true;
	}
	return false;
}

/* How many there are once all have arrived. */
static uint32_t wait_for_other_cpus(void)
{
	uint32_t before, now = 0;
	uint64_t waited_ns = 0;

	do {
		before = now;
		timing_wait_ns(QUIET_NS);
		waited_ns += QUIET_NS;
		now = __atomic_load_n(&pvh_nr_arrived, __ATOMIC_ACQUIRE);
	} while (now != before ||
		 ((now == 0 || ids_have_gaps(1 + now)) && waited_ns < PATIENCE_NS));
	return now;
}

/* INIT, then a start-up interrupt to all others, as Intel SDM volume 3, 9.4.4 has it. */
void other_cpus_start(void)
{
	pvh_present[apic_read(XAPIC_ID) >> XAPIC_ID_SHIFT] = 1;
	if (!pvh_present[0])
		serial_refuse("the first CPU's APIC id is not 0");
	memcpy((void *)PVH_TRAMPOLINE_GPA, pvh_trampoline,
	       (size_t)(pvh_trampoline_end - pvh_trampoline));
	apic_write(XAPIC_ICR_LOW, ICR_ALL_BUT_SELF | ICR_ASSERT | ICR_INIT);
	timing_wait_ns(INIT_NS);
	apic_write(XAPIC_ICR_LOW,
		   ICR_ALL_BUT_SELF | ICR_ASSERT | ICR_STARTUP | PVH_TRAMPOLINE_GPA / PAGE_BYTES);
	pvh_boot.nr_vcpus = 1 + wait_for_other_cpus();
	if (ids_have_gaps(pvh_boot.nr_vcpus))
		serial_refuse("the CPUs' APIC ids have gaps: try another topology");
}
