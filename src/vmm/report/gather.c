/* SPDX-License-Identifier: MIT */
/*
 * Gathers what the guests counted, and checks it.
 *
 * The result block is the guest's word: its shape is checked against what the VMM
 * asked for, names are made printable, and a histogram's totals are counted anew.
 */
#include "vmm/report/gather.h"

#include <stdlib.h>
#include <time.h>

#include "vcpu/base/clock.h"
#include "vmm/machine/results_block.h"

static void copy_name(char *to, const char *from)
{
	for (unsigned i = 0; i < MV_NAME_BYTES - 1 && from[i]; i++)
		to[i] = from[i] >= ' ' && from[i] <= '~' ? from[i] : '?';
}

/* The histogram with its totals counted anew from its buckets. */
static void merge_hist(struct mv_hist *into, const struct mv_hist *guest)
{
	struct mv_hist copy = *guest;

	copy.count = 0;
	for (unsigned i = 0; i < MV_HIST_BUCKETS; i++)
		copy.count += copy.bucket[i];
	mv_hist_merge(into, &copy);
}

static void add_counters(struct mv_counters *sum, const struct mv_counters *n)
{
	bool is_first = sum->stale_reads == 0;

#define X(name) sum->name += n->name;
	MV_COUNTED(X)
#undef X
#define X(name) sum->name = is_first ? n->name : sum->name;
	MV_FIRST_STALE(X)
#undef X
}

static void add_result(struct mechanism_result *to, const struct mv_result *guest)
{
	struct mv_counters n = guest->n;

	add_counters(&to->n, &n);
	if (n.active_ns)
		to->throughput_per_s += (double)n.ops * 1e9 / (double)n.active_ns;
	merge_hist(&to->latency, &guest->latency);
	merge_hist(&to->latency_net, &guest->latency_net);
	merge_hist(&to->pte_write, &guest->pte_write);
	merge_hist(&to->local_flush, &guest->local_flush);
}

static void gather_vcpu(const struct machine *m, unsigned i, struct run_result *result)
{
	const struct vcpu_thread *t = &m->thread[i];
	struct vcpu_result *v = &result->vcpu[i];

	v->vm = t->vcpu->vm;
	v->index = t->vcpu->index;
	v->host = t->vcpu->stats;
	mv_hist_merge(&result->handover, &t->vcpu->handover);
	if (!result->measured)
		return;
	for (unsigned k = 0; k < result->nr_mechanisms; k++) {
		const struct mv_result *guest = results_block_entry(m, i, k);

		v->guest[k] = guest->n;
		add_result(&result->mechanism[k], guest);
	}
}

/*
 * A thread on a pCPU always wants to run: what it did not get, somebody else had. If the host's
 * scheduler shares the pCPUs out, that may have been a sibling, so that at most all pCPUs' time
 * counts.
 */
static double host_took_share(const struct machine *m, const struct run_result *result)
{
	const struct options *o = m->options;
	uint64_t pcpus_ns = o->pcpus.nr * result->elapsed_ns;
	uint64_t run_ns = 0, cpu_ns = 0;

	for (unsigned i = 0; i < result->nr_vcpus; i++) {
		run_ns += result->vcpu[i].host.run_ns;
		cpu_ns += result->vcpu[i].host.cpu_ns;
	}
	if (o->sched->is_hosts && run_ns > pcpus_ns)
		run_ns = pcpus_ns;
	return run_ns > cpu_ns ? 1.0 - (double)cpu_ns / (double)run_ns : 0.0;
}

/* 1, or as much as a tick of the kernel's where it runs without high-resolution timers. */
static uint64_t timer_resolution_ns(void)
{
	struct timespec resolution;

	if (clock_getres(CLOCK_MONOTONIC, &resolution))
		return 0;
	return ns_of_timespec(resolution);
}

int gather_results(const struct machine *m, struct run_result *result, struct error *err)
{
	const struct options *o = m->options;

	result->vcpu = calloc(m->nr_vcpus, sizeof(*result->vcpu));
	if (!result->vcpu)
		return error_set(err, EXIT_HOST, "not enough memory for the results");
	result->nr_vcpus = m->nr_vcpus;
	result->nr_mechanisms = o->nr_mechanisms;
	for (unsigned k = 0; k < o->nr_mechanisms; k++)
		result->mechanism[k].name = o->mechanism_label[k];

	result->measured = true;
	for (unsigned i = 0; i < m->nr_vms; i++)
		result->measured = result->measured && results_block_is_valid(m, &m->vm[i]);
	if (result->measured) {
		copy_name(result->scenario, results_block(&m->vm[0])->scenario);
		copy_name(result->ops_unit, results_block(&m->vm[0])->ops_unit);
	}
	for (unsigned i = 0; i < m->nr_vcpus; i++)
		gather_vcpu(m, i, result);
	result->host_took_share = host_took_share(m, result);
	result->slices = pcpus_slice_sums(m->pcpus);
	result->timer_ns = timer_resolution_ns();
	result->dirty = m->harvester.counts;
	return 0;
}

void result_finish(struct run_result *result)
{
	free(result->vcpu);
	result->vcpu = NULL;
}
