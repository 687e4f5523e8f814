/* SPDX-License-Identifier: MIT */
/* The experiments that --preset repeats, and the figures that they are set beside. */
#include "vmm/sweep/plan/preset.h"

#include <string.h>

static const struct preset presets[] = {
	{
		.name = "paper",
		.vms = { 3, { 1, 2, 3 } },
		.vcpus_per_pcpu = { 1, { 1 } },
		.scenario = "ebizzy",
		.shootdown = "ipi,pv",
		.source = "\"KVM: X86: Add Paravirt TLB Shootdown\", v8, a patch series on the "
			  "Linux kernel's and KVM's mailing lists, December 2017",
		.machine = "Xeon Gold 6142, 2 sockets, 64 pCPUs, 64 vCPUs in each VM, ebizzy -M",
		.unit = "records/s",
		.remark = "The mail does not say whether its figures are for each VM or for all of "
			  "them together; ours are for all together.",
		.nr_rows = 3,
		.row = { { 1, 46799, 48670 }, { 2, 23962, 42691 }, { 3, 16152, 37539 } },
	},
};
#define NR_PRESETS (sizeof(presets) / sizeof(presets[0]))

_Static_assert(NR_PRESETS <= PRESETS_MAX, "preset_names() has too little room");

const struct preset *preset_find(const char *name)
{
	for (unsigned i = 0; i < NR_PRESETS; i++) {
		if (strcmp(presets[i].name, name) == 0)
			return &presets[i];
	}
	return NULL;
}

unsigned preset_names(const char *ret_names[PRESETS_MAX])
{
	for (unsigned i = 0; i < NR_PRESETS; i++)
		ret_names[i] = presets[i].name;
	return NR_PRESETS;
}
