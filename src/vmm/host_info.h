/* SPDX-License-Identifier: MIT */
/* The manifest of the host: what a reader of a figure has to know about the machine. */
#ifndef VMM_HOST_INFO_H
#define VMM_HOST_INFO_H

#include <stdint.h>

struct host_info {
	char cpu_model[64];
	unsigned online_cpus;
	char kernel[128];	  /* release and version, as in uname */
	char kvm_module[32];	  /* kvm_intel, kvm_amd, kvm_pvm ...; "unknown" */
	char hypervisor[32];	  /* the hypervisor this host itself runs under, or "none" */
	int kvm_api_version;	  /* 0 if KVM could not be asked */
	uint64_t tsc_hz;	  /* of the guest's TSC, 0 if unknown */
	uint64_t mem_total_bytes;
	char minivmm_version[32];
	char time_utc[32];	  /* start of the run, ISO 8601 */
};

/* Fills in what the system says; what cannot be learned is "unknown" or 0. */
void host_info_read(struct host_info *ret_info);

#endif
