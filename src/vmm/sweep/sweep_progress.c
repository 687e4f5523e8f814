/* SPDX-License-Identifier: MIT */
/* A line that shows how far a sweep is and how long it will take. */
#include "vmm/sweep/sweep_progress.h"

#include <stdio.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vmm/sweep/results/format.h"

void sweep_progress_init(struct sweep_progress *p, unsigned total, bool quiet)
{
	*p = (struct sweep_progress){
		.shown = !quiet && isatty(STDERR_FILENO),
		.total = total,
		.start_ns = monotonic_ns(),
	};
}

/* Every run takes the same time but for the guest's start, so the mean so far will do. */
void sweep_progress_show(const struct sweep_progress *p)
{
	double seconds = (double)(monotonic_ns() - p->start_ns) / 1e9;
	double left = seconds * (p->total - p->finished) / (p->finished ? p->finished : 1);

	if (!p->shown)
		return;
	fprintf(stderr, "\r%u of %u runs  %s  %s", p->finished, p->total, p->what,
		format_duration(seconds).text);
	if (p->finished)
		fprintf(stderr, ", %s left", format_duration(left).text);
	fputs("\033[K", stderr);
}

void sweep_progress_clear(const struct sweep_progress *p)
{
	if (p->shown)
		fputs("\r\033[K", stderr);
}
