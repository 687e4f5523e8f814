/* SPDX-License-Identifier: MIT */
/* --record and --replay: the schedule of a run, into a file and out of one. */
#ifndef VMM_RECORD_REPLAY_H
#define VMM_RECORD_REPLAY_H

#include "vcpu/sched/pcpu.h"
#include "vmm/base/output_file.h"
#include "vmm/cli/options.h"
#include "vmm/guest/elf_file.h"
#include "vmm/replay/schedule_file.h"
#include "vmm/report/result.h"

/*
 * Reads the file of --replay and completes the options: what the command line leaves
 * open is as it was recorded. Returns 0, or -1 with an error: the file is no good, or
 * was recorded with other numbers of VMs, vCPUs or pCPUs.
 */
int record_replay_load(int argc, char *const argv[], const struct host_cpus *allowed,
		       struct options *options, struct schedule_file *ret_file, struct error *err);

/* Empty until it is opened. */
struct record_replay {
	const struct options *options;
	const struct schedule_file *source; /* of --replay, or NULL */
	struct output_file output;	    /* of --record */
	struct schedule_file recorded;
	struct replay replay;
	bool replays;
	bool guest_is_recorded; /* the guest is the one that the replayed run had */
};

/* Makes sure that the file can be written. 0, or -1 with an error. */
int record_replay_open(struct record_replay *r, const struct options *o,
		       const struct schedule_file *source, struct error *err);

/* Lets the pCPUs of a run that has not started record, and follow. 0, or -1 with an error. */
int record_replay_prepare(struct record_replay *r, const struct elf_file *guest,
			  struct pcpus *pcpus, struct error *err);

/* After the run: what came of it, and the file. 0, or -1 with an error. */
void record_replay_collect(const struct record_replay *r, struct run_result *result);
int record_replay_write(struct record_replay *r, struct error *err);

void record_replay_finish(struct record_replay *r);

#endif
