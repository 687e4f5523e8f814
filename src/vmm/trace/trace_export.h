/* SPDX-License-Identifier: MIT */
/*
 * A trace in the Chrome trace event format, which Perfetto (ui.perfetto.dev) opens.
 *
 * One event a line, so that a trace of any size is written and read without being held
 * in memory as a whole. docs/debugging.md describes the tracks.
 */
#ifndef VMM_TRACE_EXPORT_H
#define VMM_TRACE_EXPORT_H

#include <stdio.h>

#include "vmm/trace/trace_log.h"

/*
 * Tracks are threads of processes: the pCPUs and the phases of one, the vCPUs of one
 * for each VM. A vCPU has two, since slices of a track must nest and a shootdown
 * outlasts the slices of time that its initiator gets.
 */
#define PID_HOST     1
#define PID_VM(vm)   (2 + (vm))
#define TID_PHASES   1
#define TID_PCPU(c)  (2 + (c))
#define TID_STATE(v) (1 + 2 * (v))
#define TID_SHOOT(v) (2 + 2 * (v))

#define TRACE_SCHEMA "minivmm.trace/1"

/*
 * Prints the trace and says what is in it. 0, or -1 with errno: not enough memory, or
 * the output failed. All that the log refers to has stopped changing.
 */
int trace_export(FILE *out, const struct trace_log *log, struct trace_counts *ret_counts);

#endif
