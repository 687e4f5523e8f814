/* SPDX-License-Identifier: MIT */
/* The command line of `minivmm sweep`. Pure: it reads nothing but its arguments. */
#ifndef SWEEP_OPTIONS_H
#define SWEEP_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "minivmm/abi.h"
#include "vcpu/base/error.h"
#include "vmm/cli/cpu_list.h"
#include "vmm/cli/host_cpus.h"
#include "vmm/cli/names.h"
#include "vmm/sweep/plan/lab_words.h"
#include "vmm/sweep/plan/matrix.h"
#include "vmm/sweep/plan/preset.h"

#define SWEEP_MAX_REPEATS 1000
#define SWEEP_MAX_JOBS	  64

/* Long enough for --shootdown with as many names as a run takes. */
#define SWEEP_LIST_BYTES 400

enum sweep_command { SWEEP_RUN, SWEEP_LIST_CELLS, SWEEP_HELP };

struct sweep_options {
	enum sweep_command command;
	const char *guest_path;
	struct matrix matrix;
	struct cpu_list pcpus;		  /* empty: all that the process may use */
	char shootdown[SWEEP_LIST_BYTES]; /* as --shootdown of a run takes it */
	unsigned nr_mechanisms;
	enum mechanism_id mechanism[MV_MAX_MECHANISMS];
	const struct preset *preset; /* NULL: none */
	unsigned repeats;
	bool seed_given; /* if not, the caller draws one */
	uint64_t seed;	 /* repeat r runs with seed + r: neighbours share theirs */
	const char *out_dir;
	bool resume;
	unsigned part; /* 1 to nr_parts: the blocks that this process runs */
	unsigned nr_parts;
	const char *lab_text; /* as --lab gave it; NULL: the runs are made on this host */
	struct lab_words lab; /* the same, taken apart */
	unsigned jobs;	      /* machines at a time */
	bool quiet;
};

/*
 * Parses what follows `minivmm sweep`; argv[0] is skipped. Every option of a run that
 * takes a value is one of the sweep too, and may list values with commas between them.
 * `allowed` are the host CPUs that the process may use. Returns 0, or -1 with EXIT_USAGE.
 */
int sweep_options_parse(int argc, char *const argv[], const struct host_cpus *allowed,
			struct sweep_options *ret_options, struct error *err);

/* The name of mechanism number `m` of the sweep. */
const char *sweep_mechanism(const struct sweep_options *o, unsigned m);

/* The command line of one run. The words are its own, and end with NULL. */
#define SWEEP_RUN_WORDS (2 * MATRIX_DIMENSIONS + 24)
struct run_command {
	int argc;
	char *argv[SWEEP_RUN_WORDS];
	size_t used;
	char text[8192];
};

/* The command of a cell: `minivmm --quiet --json PATH ... GUEST.ELF -- ...`. */
void sweep_run_command(const struct sweep_options *o, const struct cell *cell, unsigned repeat,
		       const char *json_path, struct run_command *ret_command);

/* Gives the command of every cell to the parser of runs. 0, or -1 with EXIT_USAGE. */
int sweep_check_cells(const struct sweep_options *o, const struct plan *plan,
		      const struct host_cpus *allowed, struct error *err);

void sweep_options_print_help(FILE *out);

#endif
