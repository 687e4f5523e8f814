/* SPDX-License-Identifier: MIT */
/* minivmm: paravirtual TLB shootdown in a minimal VMM. See docs/architecture.md. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "options.h"
#include "run.h"
#include "trace_stats.h"
#include "version.h"

/* The host CPUs that this process may use. */
static void read_allowed_cpus(struct cpu_list *ret_cpus)
{
	cpu_set_t set;

	*ret_cpus = (struct cpu_list){ 0 };
	if (sched_getaffinity(0, sizeof(set), &set))
		return;
	for (int cpu = 0; cpu < CPU_SETSIZE && ret_cpus->nr < MAX_PCPUS; cpu++) {
		if (CPU_ISSET(cpu, &set))
			ret_cpus->cpu[ret_cpus->nr++] = cpu;
	}
}

static void draw_seed(struct options *options)
{
	if (!options->seed_given && getrandom(&options->seed, sizeof(options->seed), 0) > 0)
		options->seed &= SEED_MASK;
}

/* The status after printing what was asked for: a full disk or a closed pipe is no success. */
static int finish_printing(void)
{
	if (fflush(stdout) == 0 && !ferror(stdout))
		return EXIT_PASS;
	perror("minivmm: standard output");
	return EXIT_HOST;
}

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

int main(int argc, char *argv[])
{
	struct cpu_list allowed;
	struct options options;
	struct error err;

	reserve_standard_descriptors();
	if (argc > 1 && strcmp(argv[1], "trace-stats") == 0)
		return trace_stats_main(argc - 1, argv + 1);
	read_allowed_cpus(&allowed);
	if (options_parse(argc, argv, &allowed, &options, &err)) {
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
	draw_seed(&options);
	return run_guest(&options);
}
