/* SPDX-License-Identifier: MIT */
/*
 * The file of --record and --replay, as docs/debugging.md describes it. Pure.
 *
 * Lines of text: a head that says of what run it is, an entry for each decision of the
 * scheduler, and a last line by which a file is known to be whole.
 */
#ifndef VMM_SCHEDULE_FILE_H
#define VMM_SCHEDULE_FILE_H

#include <stdbool.h>
#include <stdio.h>

#include "vcpu/base/error.h"
#include "vcpu/sched/schedule_log.h"
#include "vmm/base/sha256.h"
#include "vmm/cli/options.h"

#define SCHEDULE_SCHEMA	      "minivmm.schedule/1"
#define SCHEDULE_MAX_OPTIONS  24
#define SCHEDULE_OPTION_BYTES 128

/* An option of the run that was recorded, as options_visit() names it. */
struct schedule_option {
	const char *name; /* from a constant table */
	char value[SCHEDULE_OPTION_BYTES];
};

struct schedule_file {
	unsigned nr_vms;
	unsigned nr_vcpus; /* of each VM */
	unsigned nr_pcpus;
	unsigned nr_mechanisms;
	enum mechanism_id mechanism[MV_MAX_MECHANISMS];
	char guest_sha256[SHA256_TEXT_BYTES];
	char guest_args[MV_ARGS_BYTES];
	unsigned nr_options;
	struct schedule_option option[SCHEDULE_MAX_OPTIONS]; /* all but those above */
	struct schedule_log log;
};

/* Fills in all but the log and the guest's hash, from the options of a run. */
void schedule_file_describe(struct schedule_file *ret_file, const struct options *o);

/* Prints the file; 0, or -1 with errno. */
int schedule_file_print(FILE *out, const struct schedule_file *file);

/*
 * Reads one; `path` is for messages. Every number in it is checked against the others,
 * so that the log can be followed. 0, or -1 with EXIT_USAGE (EXIT_HOST without memory)
 * and nothing to be freed.
 */
int schedule_file_read(FILE *in, const char *path, struct schedule_file *ret_file,
		       struct error *err);

void schedule_file_finish(struct schedule_file *file);

#endif
