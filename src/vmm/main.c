/* SPDX-License-Identifier: MIT */
/* minivmm: paravirtual TLB shootdown in a minimal VMM. See docs/architecture.md. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vmm/base/printing.h"
#include "vmm/base/seed.h"
#include "vmm/base/version.h"
#include "vmm/cli/options.h"
#include "vmm/host_command.h"
#include "vmm/lab/agent.h"
#include "vmm/lab/lab.h"
#include "vmm/replay/record_replay.h"
#include "vmm/run.h"
#include "vmm/sweep/merge.h"
#include "vmm/sweep/sweep.h"
#include "vmm/trace/trace_stats.h"
#include "vmm/watch/watch.h"

/*
 * Descriptors 0 to 2 are taken if the caller closed them, so that no file that is
 * opened later becomes stdout. Not for writing: to print there is still an error.
 */
static void reserve_standard_descriptors(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDONLY);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

/* What the first word may be, if it is not an option or a guest. */
static const struct subcommand {
	const char *name;
	int (*run)(int argc, char *argv[]); /* returns the exit status */
} subcommands[] = {
	{ "host", host_command },
	{ "sweep", sweep_command },
	{ "merge", merge_command },
	{ "lab", lab_command },
	{ "lab-agent", lab_agent_command },
	{ "trace-stats", trace_stats_command },
	{ "watch", watch_command },
};

static const struct subcommand *find_subcommand(const char *name)
{
	for (unsigned i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		if (name && strcmp(subcommands[i].name, name) == 0)
			return &subcommands[i];
	}
	return NULL;
}

static int run_command(int argc, char *const argv[], const struct host_cpus *allowed,
		       struct options *options)
{
	struct schedule_file schedule = { 0 };
	struct error err;

	if (options->replay_path &&
	    record_replay_load(argc, argv, allowed, options, &schedule, &err)) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		return err.status;
	}
	if (!options->seed_given)
		options->seed = seed_draw(options->seed);
	int status = run_guest(options, options->replay_path ? &schedule : NULL);
	schedule_file_finish(&schedule);
	return status;
}

/* A command line without a subcommand; returns the exit status. */
static int carry_out(int argc, char *argv[], const struct host_cpus *allowed)
{
	struct options options;
	struct error err;

	if (options_parse(argc, argv, allowed, &options, &err)) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		return err.status;
	}
	switch (options.command) {
	case COMMAND_HELP:
		options_print_help(stdout);
		return finish_printing();
	case COMMAND_LIST:
		options_print_list(stdout);
		return finish_printing();
	case COMMAND_VERSION:
		puts("minivmm " MINIVMM_VERSION);
		return finish_printing();
	case COMMAND_RUN:
		break;
	}
	return run_command(argc, argv, allowed, &options);
}

int main(int argc, char *argv[])
{
	const struct subcommand *subcommand = find_subcommand(argc > 1 ? argv[1] : NULL);
	struct host_cpus allowed;

	reserve_standard_descriptors();
	/* A limit on the size of files is an error of write(): what cannot be written to one
	 * file can still go to others. */
	signal(SIGXFSZ, SIG_IGN);
	if (subcommand)
		return subcommand->run(argc - 1, argv + 1);
	host_cpus_read(&allowed);
	int status = carry_out(argc, argv, &allowed);
	host_cpus_finish(&allowed);
	return status;
}
