/* SPDX-License-Identifier: MIT */
/* --trace: gives every writer of a machine its ring, and writes the trace in the end. */
#ifndef VMM_TRACER_H
#define VMM_TRACER_H

#include "vcpu/base/error.h"
#include "vmm/base/output_file.h"
#include "vmm/trace/trace_log.h"

struct machine;
struct vm;

/* Makes the rings of a VM whose memory is laid out. 0, or -1 with an error. */
int tracer_prepare_vm(const struct machine *m, struct vm *vm, struct error *err);

/* Writes what a machine recorded that has stopped. 0, or -1 with an error. */
int tracer_write(const struct machine *m, struct output_file *output,
		 struct trace_counts *ret_counts, struct error *err);

#endif
