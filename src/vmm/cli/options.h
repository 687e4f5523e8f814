/* SPDX-License-Identifier: MIT */
/* The command line of minivmm. Pure: it reads nothing but its arguments. */
#ifndef VMM_OPTIONS_H
#define VMM_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

#include <stdio.h>

#include "minivmm/abi.h"
#include "vcpu/base/error.h"
#include "vcpu/protocol/fault.h"
#include "vcpu/sched/sched_policy.h"
#include "vmm/base/background_load.h"
#include "vmm/base/seed.h"
#include "vmm/cli/cpu_list.h"
#include "vmm/cli/host_cpus.h"
#include "vmm/cli/names.h"
#include "vmm/dirty/dirty_kinds.h"

#define MAX_VMS 64

enum command { COMMAND_RUN, COMMAND_LIST, COMMAND_HELP, COMMAND_VERSION };

struct options {
	enum command command;
	const char *program; /* the word that it was started by */
	const char *guest_path;
	char guest_args[MV_ARGS_BYTES]; /* what followed "--", a space between words */

	unsigned nr_vcpus; /* per VM */
	unsigned nr_vms;
	struct cpu_list pcpus;
	uint64_t mem_bytes;
	bool mem_given;
	const char *initrd_path; /* of a Linux guest; NULL: none */
	bool strict_io;		 /* an access to a device that is not there ends the run */

	uint64_t slice_ns;
	unsigned slice_jitter_pct; /* a slice lasts slice_ns, more or less by up to this share */
	enum slice_alignment slice_alignment;
	bool slice_alignment_given;
	uint64_t grace_ns; /* by which a slice is extended inside a shootdown; 0: never */
	const struct sched_policy *sched;
	struct background_load background;

	unsigned nr_mechanisms;
	enum mechanism_id mechanism[MV_MAX_MECHANISMS]; /* as --shootdown orders them, and ... */
	unsigned nr_tracked; /* ... the last of them: the others again, with dirty tracking */
	const char *mechanism_label[MV_MAX_MECHANISMS]; /* in reports: "pv", "pv+ring" */
	unsigned flush_via;				/* enum flush_choice */
	enum dirty_kind dirty;
	uint64_t dirty_every_ns;  /* between two harvests of dirty pages */
	bool mark_exits;	  /* mark vCPUs whose stores are handled by the VMM, too */
	uint32_t hidden_features; /* bits of KVM_CPUID_FEATURES that guests do not see */

	uint64_t duration_ns; /* per mechanism */
	uint64_t count;	      /* shootdowns per mechanism; 0: duration_ns decides */
	bool seed_given;      /* if not, the caller draws one within SEED_MASK */
	uint64_t seed;
	enum fault fault;
	uint64_t timeout_ns; /* of the whole run; by default all durations and 30 s more */

	const char *abi_option;	  /* one given that needs a guest of abi.h, or NULL */
	const char *slice_option; /* one given that only a scheduler of ours obeys, or NULL */
	bool shootdown_given;
	const char *free_word;	/* behind "--", and not KEY=VALUE without blanks; NULL: none */
	const char *json_path;	/* NULL: none */
	const char *trace_path; /* likewise */
	const char *record_path;
	const char *replay_path;
	bool no_sandbox;
	bool quiet;
	bool verbose;
};

/*
 * Parses a command line. `allowed` are the host CPUs that the process may use:
 * those inherited are the default pCPUs, those permitted the only ones that --pcpus
 * may name. Names are looked up once, here; texts stay pointers into argv.
 *
 * Returns 0, or -1 with err->status EXIT_USAGE, or EXIT_HOST if CPUs are not known.
 */
int options_parse(int argc, char *const argv[], const struct host_cpus *allowed,
		  struct options *ret_options, struct error *err);

/* The same with other defaults; what the command line says goes before them. */
int options_parse_over(const struct options *defaults, int argc, char *const argv[],
		       const struct host_cpus *allowed, struct options *ret_options,
		       struct error *err);

/* Sets an option, by its name in the table, as the command line would. 0, or -1 (EXIT_USAGE). */
int options_set(struct options *o, const char *name, const char *value, struct error *err);

/* Sets every option to its default, but for defaults that depend on other options or on the
 * machine: options_parse() sets those once it knows the rest. */
void options_set_defaults(struct options *o);
enum slice_alignment options_default_slice_alignment(const struct options *o);
uint64_t options_default_timeout_ns(const struct options *o);

/* Adds a mechanism to those that are measured. 0, or -1 (EXIT_USAGE) if it is one already. */
int options_add_mechanism(struct options *o, enum mechanism_id mechanism, struct error *err);

/* Whether options.mechanism[i] is measured with dirty tracking. */
bool options_mechanism_is_tracked(const struct options *o, unsigned i);

/* One option of the command line. The table is what --help prints. */
struct option_row {
	const char *name;  /* without the dashes */
	const char *value; /* what its value stands for, or NULL if it takes none */
	const char *help;  /* with the default in parentheses */
	/* Takes the value into the options; returns 0, or -1 with the error set. */
	int (*set)(struct options *o, const char *value, struct error *err);
	unsigned flags; /* OPTION_* */
};

#define OPTION_OF_ABI	 1 /* means nothing to a guest that does not follow abi.h */
#define OPTION_OF_RUN	 2 /* not for a sweep, which sets it or whose runs would share a file */
#define OPTION_OF_SLICES 4 /* says how minivmm schedules, and nothing to the host's scheduler */

extern const struct option_row option_table[];
extern const unsigned nr_option_rows;

/* The row of that name, or NULL. */
const struct option_row *option_find(const char *name);

void options_print_help(FILE *out);
void options_print_list(FILE *out);

#endif
