/* SPDX-License-Identifier: MIT */
/* What was counted of a VMM, as a table and as JSON. */
#ifndef VMM_WATCH_TABLE_H
#define VMM_WATCH_TABLE_H

#include <stdio.h>

#include "vmm/watch/watched.h"

/* The threads that the table has, vCPUs by their numbers; to be freed. NULL: no memory. */
struct watched_thread **watch_table_rows(const struct watched *w, size_t *ret_nr);

/*
 * Prints the table as of `now_ns`. Each line ends with `line_end`; at most max_rows threads
 * are in it. With interval_ns, rates are those since the last such table; else over all.
 */
void watch_table_print(FILE *out, struct watched *w, uint64_t now_ns, uint64_t interval_ns,
		       size_t max_rows, const char *line_end);

/* 0, or -1 if there is no memory. */
int watch_table_print_json(FILE *out, const struct watched *w, uint64_t now_ns);

#endif
