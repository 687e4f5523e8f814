/* SPDX-License-Identifier: MIT */
/* --trace: gives every writer of a machine its ring, and writes the trace in the end. */
#include "vmm/machine/tracer.h"

#include <stdlib.h>

#include "vmm/machine/machine.h"
#include "vmm/trace/trace_export.h"

#define HOST_BYTES_MAX (512ull << 20) /* of the rings of all vCPU threads */

/* ---- before the run ---------------------------------------------------------------- */

static struct mv_trace_ring *guest_ring(const struct vm *vm, unsigned vcpu)
{
	uint64_t ring_bytes = MV_TRACE_RING_BYTES(vm->layout.trace_events);

	return guest_mem_own(&vm->mem, vm->layout.trace_gpa + vcpu * ring_bytes, ring_bytes);
}

int tracer_prepare_vm(const struct machine *m, struct vm *vm, struct error *err)
{
	uint32_t nr_events = trace_ring_size(m->nr_vcpus, HOST_BYTES_MAX);

	if (!m->tsc_hz)
		return error_set(err, EXIT_HOST,
				 "--trace: KVM does not tell the rate of the TSC, the clock of all "
				 "events");
	for (unsigned i = 0; i < vm->nr_vcpus; i++) {
		vm->vcpu[i].trace = trace_ring_create(nr_events);
		if (!vm->vcpu[i].trace)
			return error_set(err, EXIT_HOST,
					 "not enough memory to trace %u vCPUs (--trace)",
					 m->nr_vcpus);
		guest_ring(vm, i)->nr_events = vm->layout.trace_events;
	}
	return 0;
}

/* ---- after it ------------------------------------------------------------------------ */

static struct trace_view host_view(const struct mv_trace_ring *ring)
{
	return (struct trace_view){ .ring = ring, .nr_events = ring ? ring->nr_events : 0 };
}

/* The guest may have written anything into its rings, their size too: ours counts. */
static void fill_views(const struct machine *m, struct trace_log *log)
{
	for (unsigned i = 0; i < m->nr_vcpus; i++) {
		const struct vm *vm = &m->vm[i / log->nr_vcpus];
		unsigned vcpu = i % log->nr_vcpus;

		log->host[i] = host_view(vm->vcpu[vcpu].trace);
		log->guest[i] = (struct trace_view){
			.ring = guest_ring(vm, vcpu),
			.nr_events = vm->layout.trace_events,
		};
	}
}

struct printing {
	const struct trace_log *log;
	struct trace_counts *counts;
};

static int print_trace(FILE *out, void *context)
{
	struct printing *p = context;

	return trace_export(out, p->log, p->counts);
}

static int write_log(struct trace_log *log, const struct machine *m, struct output_file *output,
		     struct trace_counts *ret_counts, struct error *err)
{
	struct printing printing = { .log = log, .counts = ret_counts };

	if (!log->host || !log->guest)
		return error_set(err, EXIT_HOST, "not enough memory to write the trace");
	fill_views(m, log);
	return output_file_commit_printed(output, print_trace, &printing, err);
}

int tracer_write(const struct machine *m, struct output_file *output,
		 struct trace_counts *ret_counts, struct error *err)
{
	const struct options *o = m->options;
	struct trace_log log = {
		.nr_vms = m->nr_vms,
		.nr_vcpus = o->nr_vcpus,
		.nr_pcpus = o->pcpus.nr,
		.host_cpu = o->pcpus.cpu,
		.nr_mechanisms = o->nr_mechanisms,
		.mechanism = o->mechanism_label,
		.tsc_hz = m->tsc_hz,
		.start_tsc = m->start_tsc,
		.end_tsc = m->stop_tsc,
		.host = calloc(m->nr_vcpus, sizeof(*log.host)),
		.guest = calloc(m->nr_vcpus, sizeof(*log.guest)),
		.phases = host_view(m->phase_trace),
	};
	int failed = write_log(&log, m, output, ret_counts, err);

	free(log.host);
	free(log.guest);
	return failed;
}
