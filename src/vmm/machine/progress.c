/* SPDX-License-Identifier: MIT */
/* A line that shows how far a run is, on a terminal only. */
#include "vmm/machine/progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vmm/machine/results_block.h"

#define NS_PER_TENTH (100 * NS_PER_MS)

static uint64_t count_all_shootdowns(const struct machine *m)
{
	uint64_t sum = 0;

	for (unsigned k = 0; k < m->options->nr_mechanisms; k++)
		sum += results_block_so_far(m, k).shootdowns;
	return sum;
}

static void show(const struct machine *m, const char *mechanism, uint64_t elapsed_ns,
		 uint64_t total_ns)
{
	uint64_t tenths = elapsed_ns / NS_PER_TENTH, total = total_ns / NS_PER_TENTH;

	fprintf(stderr,
		"\r%3" PRIu64 ".%" PRIu64 " of %" PRIu64 ".%" PRIu64 " s   %-12s %12" PRIu64
		" shootdowns\033[K",
		tenths / 10, tenths % 10, total / 10, total % 10, mechanism,
		count_all_shootdowns(m));
}

conduct_progress *progress_wanted(const struct options *options)
{
	return !options->quiet && isatty(STDERR_FILENO) ? show : NULL;
}

void progress_clear(const struct options *options)
{
	if (progress_wanted(options))
		fputs("\r\033[K", stderr);
}
