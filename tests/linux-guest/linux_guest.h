/* SPDX-License-Identifier: MIT */
/* What the first process of a Linux guest can be asked to do. */
#ifndef LINUX_GUEST_H
#define LINUX_GUEST_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_CPUS   64
#define PAGE_BYTES 4096

/* What each CPU has seen, and of the first stale read which generation was due. */
struct counts {
	uint64_t reads, takes, stale;
	uint64_t stale_due, stale_seen;
};

/* Says what failed and ends the process: if it is the first one, the kernel panics. */
_Noreturn void fail(const char *what);

uint64_t now_ns(void);
void pin_to_cpu(unsigned cpu);

/* One more read that saw this where something else was due. */
void count_stale(struct counts *c, uint64_t due, uint64_t seen);

/*
 * Each runs something on CPUs 0 to nr_cpus-1 for so many ns, prints a line, and returns whether all
 * is well, and anything was done at all.
 */
bool check_threads(unsigned nr_cpus, uint64_t ns);
bool check_processes(unsigned nr_cpus, uint64_t ns, bool end_when_found);
bool search_chunks(unsigned nr_cpus, uint64_t ns);

/* Prints the sums of a check; returns whether something was read, and nothing stale. */
bool report_counts(const char *who, const struct counts *of, unsigned nr);

#endif
