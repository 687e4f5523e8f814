/* SPDX-License-Identifier: MIT */
/* The command line of minivmm. Pure: it reads nothing but its arguments. */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include "minivmm/abi.h"
#include "error.h"

#define MAX_PCPUS 256
#define MAX_VMS	  64

enum command { COMMAND_RUN, COMMAND_LIST, COMMAND_HELP, COMMAND_VERSION };

/* Host CPUs, in the order given. */
struct cpu_list {
	unsigned nr;
	int cpu[MAX_PCPUS];
};

struct options {
	enum command command;
	const char *guest_path;
	char guest_args[MV_ARGS_BYTES]; /* what followed "--", a space between words */

	unsigned nr_vcpus; /* per VM */
	unsigned nr_vms;
	struct cpu_list pcpus;
	uint64_t mem_bytes;

	uint64_t slice_ns;
	unsigned slice_jitter_pct; /* a slice lasts slice_ns, more or less by up to this share */
	const char *sched;	   /* name of a policy, from sched_policies */

	unsigned nr_mechanisms;
	const char *mechanism[MV_MAX_MECHANISMS]; /* names from MV_MECHANISMS */
	const char *flush_via;			  /* name of a primitive, or "auto" */

	uint64_t duration_ns; /* per mechanism */
	uint64_t count;	      /* shootdowns per mechanism; 0: duration_ns decides */
	uint64_t seed;
	const char *fault; /* name from MV_FAULTS, or "none" */
	uint64_t timeout_ns;

	const char *json_path; /* NULL: none */
	bool quiet;
	bool verbose;
};

/*
 * Parses a command line. `allowed` are the host CPUs that the process may use
 * (the default pCPUs, and the only ones that --pcpus may name). Names stay
 * pointers into argv or into constant tables.
 *
 * Returns 0, or -1 with err->status EXIT_USAGE.
 */
int options_parse(int argc, char *const argv[], const struct cpu_list *allowed,
		  struct options *ret_options, struct error *err);

/* The text of --help and of --list, for the caller to print. */
const char *options_help(void);

#endif
