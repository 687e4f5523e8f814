/* SPDX-License-Identifier: MIT */
/* What a run found out, before it is put into words. */
#ifndef VMM_RESULT_H
#define VMM_RESULT_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"
#include "vcpu/cpu/vcpu_stats.h"
#include "vcpu/sched/pcpu.h"
#include "vcpu/sched/replay.h"
#include "vmm/dirty/dirty_counts.h"
#include "vmm/host/selfcheck.h"
#include "vmm/trace/trace_log.h"

enum verdict {
	VERDICT_PASS,
	VERDICT_FAIL,	      /* the guest failed, hung or read a stale translation */
	VERDICT_INCONCLUSIVE, /* nothing was proven: `reason` says why */
	VERDICT_INTERRUPTED,  /* by a signal; the figures are partial */
};

/* One mechanism, over all vCPUs of all VMs and all its phases. */
struct mechanism_result {
	const char *name;
	struct mv_counters n;	 /* summed; stale_* of the first stale read found */
	double throughput_per_s; /* sum over vCPUs of ops / active time */
	struct mv_hist latency;
	struct mv_hist latency_net;
	struct mv_hist pte_write;
	struct mv_hist local_flush;
};

/* One vCPU: what the host saw, and what the guest counted under each mechanism. */
struct vcpu_result {
	unsigned vm;
	unsigned index;
	struct vcpu_stats host;
	struct mv_counters guest[MV_MAX_MECHANISMS];
};

struct run_result {
	enum verdict verdict;
	int signal;	  /* that interrupted the run, or 0 */
	char reason[512]; /* for anything but a pass: one line */
	bool usage;	  /* the guest refused its arguments */

	bool leads_itself; /* the guest started by PVH: the host's view is all there is */
	bool measured; /* the guest left a valid result block; without it the rest is empty */
	char scenario[MV_NAME_BYTES];
	char ops_unit[MV_NAME_BYTES];
	unsigned nr_mechanisms;
	struct mechanism_result mechanism[MV_MAX_MECHANISMS];
	unsigned nr_vcpus; /* of all VMs */
	struct vcpu_result *vcpu;

	unsigned phases;	     /* that ran to their end */
	struct mv_hist handover;     /* from the end of a slice until KVM_RUN for the next vCPU */
	struct slice_sums slices;    /* asked for, and had */
	uint64_t timer_ns;	     /* resolution of the host's timers, which end slices */
	uint64_t started_ns;	     /* CLOCK_MONOTONIC when main() began */
	uint64_t startup_ns;	     /* from then to the first guest instruction */
	uint64_t elapsed_ns;	     /* from the first guest instruction to the end */
	double host_took_share;	     /* of the time on pCPUs that the host spent on other work */
	uint64_t guest_rss_bytes;    /* guest memory that is resident at the end */
	uint64_t vmm_rss_bytes;	     /* the rest of the process, likewise */
	struct dirty_counts dirty;   /* --dirty: what was harvested, and lost */
	struct trace_counts trace;   /* --trace: events recorded, and what became of them */
	uint64_t recorded;	     /* --record: entries in the file */
	uint64_t record_lost;	     /* and those that no longer fitted */
	struct replay_counts replay; /* --replay: how much of it was followed */
	bool guest_is_recorded;	     /* likewise: the guest is the one of the recording */
	struct selfcheck selfcheck;  /* which primitives were proven to flush on this host */
	const char *flush_via;	     /* the primitive that was used */
	const char *sandbox_missing; /* why the run was not in the sandbox; NULL: it was */
};

#endif
