/* SPDX-License-Identifier: MIT */
/* A line that shows how far a sweep is and how long it will take, on a terminal only. */
#ifndef SWEEP_PROGRESS_H
#define SWEEP_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

struct sweep_progress {
	bool shown;
	unsigned total;	   /* runs that this process has to make */
	unsigned finished; /* of these */
	uint64_t start_ns;
	char what[160]; /* the run at hand */
};

/* Shows nothing if `quiet`, or if stderr is no terminal. */
void sweep_progress_init(struct sweep_progress *p, unsigned total, bool quiet);

/* Draws the line anew. */
void sweep_progress_show(const struct sweep_progress *p);

/* Takes it away. */
void sweep_progress_clear(const struct sweep_progress *p);

#endif
