/* SPDX-License-Identifier: MIT */
/* The CPUs that the VMM leaves to the guest to start. */
#ifndef GUEST_PVH_OTHER_CPUS_H
#define GUEST_PVH_OTHER_CPUS_H

/*
 * Starts all others, which then wait for pvh_stacks_gpa, and counts them in pvh_boot. After
 * timing_calibrate(). Ends the run if their APIC ids are no indexes.
 */
void other_cpus_start(void);

#endif
