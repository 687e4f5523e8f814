/* SPDX-License-Identifier: MIT */
/* The option parser: an input is a command line, one argument a line. */
#include "fuzz.h"

#include <string.h>

#include "vmm/cli/options.h"

#define MAX_ARGS 64

static void check_options(const struct options *o, const struct host_cpus *allowed)
{
	if (o->command != COMMAND_RUN)
		return;
	must_hold(o->guest_path && *o->guest_path, "there is a guest");
	must_hold(o->nr_vcpus >= 1 && o->nr_vcpus <= MV_MAX_VCPUS, "vCPUs are in range");
	must_hold(o->nr_vms >= 1 && o->nr_vms <= MAX_VMS, "VMs are in range");
	must_hold(o->mem_bytes >= MV_MEM_MIN_BYTES && o->mem_bytes <= MV_MEM_MAX_BYTES &&
			  o->mem_bytes % 4096 == 0,
		  "memory is in range");
	must_hold(o->slice_ns >= 10000 && o->slice_jitter_pct <= 90, "slices are in range");
	must_hold(o->nr_mechanisms >= 1 && o->nr_mechanisms <= MV_MAX_MECHANISMS,
		  "mechanisms are in range");
	must_hold(o->duration_ns > 0 && o->timeout_ns > 0, "times are in range");
	must_hold(o->pcpus.nr >= 1, "there is a pCPU");
	for (unsigned i = 0; i < o->pcpus.nr; i++)
		must_hold(cpu_list_has(&allowed->inherited, o->pcpus.cpu[i]), "pCPUs are allowed");
	must_hold(memchr(o->guest_args, 0, sizeof(o->guest_args)) != NULL,
		  "the guest's arguments end");
}

/* Cuts the text into arguments of their own, behind the name of the program. */
static int split(char *text, char *argv[MAX_ARGS + 2])
{
	int argc = 0;

	argv[argc++] = strdup("minivmm");
	for (char *line; argc <= MAX_ARGS && (line = strsep(&text, "\n"));)
		argv[argc++] = strdup(line);
	argv[argc] = NULL;
	return argc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct host_cpus allowed = { .inherited = { 3, { 0, 1, 5 } } };
	char *argv[MAX_ARGS + 2];
	char *text = strndup((const char *)data, size);
	int argc = split(text, argv);
	struct options options;
	struct error err;

	if (options_parse(argc, argv, &allowed, &options, &err) == 0)
		check_options(&options, &allowed);
	else
		must_hold(err.status == EXIT_USAGE && err.text[0], "what is refused is explained");
	for (int i = 0; i < argc; i++)
		free(argv[i]);
	free(text);
	return 0;
}
