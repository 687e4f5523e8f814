/* SPDX-License-Identifier: MIT */
/* Experiments that others have published, with their figures. */
#ifndef SWEEP_PRESET_H
#define SWEEP_PRESET_H

#include "vmm/sweep/plan/matrix.h"

#define PRESETS_MAX    4
#define PUBLISHED_ROWS 4

/* What was measured with so many VMs on the same pCPUs, in operations per second. */
struct published_row {
	unsigned vms;
	double by_ipi;
	double by_pv;
};

struct preset {
	const char *name;
	struct count_list vms;
	struct count_list vcpus_per_pcpu;
	const char *scenario;
	const char *shootdown;

	const char *source;  /* where the figures are from */
	const char *machine; /* ... and on what they were measured */
	const char *unit;
	const char *remark;
	unsigned nr_rows;
	struct published_row row[PUBLISHED_ROWS];
};

/* The preset of this name, or NULL. */
const struct preset *preset_find(const char *name);

/* Fills in the names of all presets and returns how many there are. */
unsigned preset_names(const char *ret_names[PRESETS_MAX]);

#endif
