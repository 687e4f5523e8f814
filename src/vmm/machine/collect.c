/* SPDX-License-Identifier: MIT */
/*
 * Gathers what the guests counted, checks it, and judges the run.
 *
 * The result block is the guest's word: its shape is checked against what the VMM
 * asked for, names are made printable, and a histogram's totals are counted anew.
 */
#include "vmm/machine/collect.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct mv_results *results_of(const struct vm *vm)
{
	return guest_mem_own(&vm->mem, vm->layout.results_gpa, vm->layout.results_bytes);
}

static const struct mv_result *result_of(const struct machine *m, unsigned vcpu, unsigned mechanism)
{
	const struct options *o = m->options;
	const struct vm *vm = &m->vm[vcpu / o->nr_vcpus];

	return &results_of(vm)->result[vcpu % o->nr_vcpus * o->nr_mechanisms + mechanism];
}

struct so_far collect_so_far(const struct machine *m, unsigned mechanism)
{
	struct so_far sum = { 0 };

	for (unsigned v = 0; v < m->nr_vcpus; v++) {
		const struct mv_counters *n = &result_of(m, v, mechanism)->n;

		sum.shootdowns += __atomic_load_n(&n->shootdowns, __ATOMIC_RELAXED);
		sum.oracle_reads += __atomic_load_n(&n->oracle_reads, __ATOMIC_RELAXED);
	}
	return sum;
}

/* ---- gathering ------------------------------------------------------------------ */

static bool block_is_valid(const struct machine *m, const struct vm *vm)
{
	const struct mv_results *r = results_of(vm);

	return r->magic == MV_RESULT_MAGIC && r->nr_vcpus == vm->nr_vcpus &&
	       r->nr_mechanisms == m->options->nr_mechanisms;
}

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
	if (sum->stale_reads == 0) {
		sum->stale_expected = n->stale_expected;
		sum->stale_seen = n->stale_seen;
		sum->stale_gva = n->stale_gva;
	}
	sum->ops += n->ops;
	sum->active_ns += n->active_ns;
	sum->shootdowns += n->shootdowns;
	sum->targets += n->targets;
	sum->targets_preempted += n->targets_preempted;
	sum->ipis_sent += n->ipis_sent;
	sum->flushes_deferred += n->flushes_deferred;
	sum->defers_raced += n->defers_raced;
	sum->rechecks_deferred += n->rechecks_deferred;
	sum->sender_descheduled += n->sender_descheduled;
	sum->oracle_reads += n->oracle_reads;
	sum->stale_reads += n->stale_reads;
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

static void collect_vcpu(const struct machine *m, unsigned i, struct run_result *result)
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
		const struct mv_result *guest = result_of(m, i, k);

		v->guest[k] = guest->n;
		add_result(&result->mechanism[k], guest);
	}
}

/* A thread on a pCPU always wants to run: what it did not get, somebody else had. */
static double host_took_share(const struct run_result *result)
{
	uint64_t run_ns = 0, cpu_ns = 0;

	for (unsigned i = 0; i < result->nr_vcpus; i++) {
		run_ns += result->vcpu[i].host.run_ns;
		cpu_ns += result->vcpu[i].host.cpu_ns;
	}
	return run_ns > cpu_ns ? 1.0 - (double)cpu_ns / (double)run_ns : 0.0;
}

int collect_results(const struct machine *m, struct run_result *result, struct error *err)
{
	const struct options *o = m->options;

	result->vcpu = calloc(m->nr_vcpus, sizeof(*result->vcpu));
	if (!result->vcpu)
		return error_set(err, EXIT_HOST, "not enough memory for the results");
	result->nr_vcpus = m->nr_vcpus;
	result->nr_mechanisms = o->nr_mechanisms;
	for (unsigned k = 0; k < o->nr_mechanisms; k++)
		result->mechanism[k].name = o->mechanism[k];

	result->measured = true;
	for (unsigned i = 0; i < m->nr_vms; i++)
		result->measured = result->measured && block_is_valid(m, &m->vm[i]);
	if (result->measured) {
		copy_name(result->scenario, results_of(&m->vm[0])->scenario);
		copy_name(result->ops_unit, results_of(&m->vm[0])->ops_unit);
	}
	for (unsigned i = 0; i < m->nr_vcpus; i++)
		collect_vcpu(m, i, result);
	result->host_took_share = host_took_share(result);
	return 0;
}

void result_finish(struct run_result *result)
{
	free(result->vcpu);
	result->vcpu = NULL;
}

/* ---- judging -------------------------------------------------------------------- */

#define verdict(result, v, ...)   \
	((result)->verdict = (v), \
	 (void)snprintf((result)->reason, sizeof((result)->reason), __VA_ARGS__))

/* The mechanism with most stale reads, or NULL if there are none. */
static const struct mechanism_result *most_stale(const struct run_result *result)
{
	const struct mechanism_result *most = NULL;

	for (unsigned k = 0; k < result->nr_mechanisms; k++) {
		const struct mechanism_result *mech = &result->mechanism[k];

		if (mech->n.stale_reads && (!most || mech->n.stale_reads > most->n.stale_reads))
			most = mech;
	}
	return most;
}

static void describe_stale(const struct mv_counters *n, const char *mechanism, const char *fault,
			   struct run_result *result)
{
	char seen[32] = "a poisoned page";
	bool injected = strcmp(fault, "none") != 0;

	if (n->stale_seen != MV_POISON)
		snprintf(seen, sizeof(seen), "generation %" PRIu64, n->stale_seen);
	verdict(result, VERDICT_FAIL,
		"%" PRIu64 " stale reads under %s%s%s: the first, at 0x%" PRIx64
		", saw %s where generation %" PRIu64 " was due",
		n->stale_reads, mechanism, injected ? ", by the injected fault " : "",
		injected ? fault : "", n->stale_gva, seen, n->stale_expected);
}

static const char *first_unmeasured(const struct run_result *result)
{
	for (unsigned k = 0; k < result->nr_mechanisms; k++) {
		const struct mv_counters *n = &result->mechanism[k].n;

		if (n->shootdowns == 0 || n->oracle_reads == 0)
			return result->mechanism[k].name;
	}
	return NULL;
}

/* The guests ran to their end: what does the oracle say? */
static void judge_oracle(const char *fault, struct run_result *result)
{
	const struct mechanism_result *stale = most_stale(result);
	const char *unmeasured = first_unmeasured(result);

	if (stale)
		describe_stale(&stale->n, stale->name, fault, result);
	else if (strcmp(fault, "none"))
		verdict(result, VERDICT_INCONCLUSIVE,
			"the injected fault %s was not caught: no stale read was seen", fault);
	else if (unmeasured)
		verdict(result, VERDICT_INCONCLUSIVE,
			"no shootdown was completed and checked under %s", unmeasured);
	else
		result->verdict = VERDICT_PASS;
}

/* A block that is signed but made for other vCPUs or mechanisms than there are. */
static const struct vm *first_misfit(const struct machine *m)
{
	for (unsigned i = 0; i < m->nr_vms; i++) {
		if (results_of(&m->vm[i])->magic == MV_RESULT_MAGIC &&
		    !block_is_valid(m, &m->vm[i]))
			return &m->vm[i];
	}
	return NULL;
}

/* A guest that leaves no results is judged by its exit code alone, unless a fault was
 * injected: somebody has to have seen it. */
static void judge_results(const struct machine *m, struct run_result *result)
{
	const struct vm *misfit = first_misfit(m);

	if (misfit)
		verdict(result, VERDICT_FAIL,
			"the guest of VM %u left results of %u vCPUs and %u mechanisms, and has %u "
			"and %u",
			misfit->index, results_of(misfit)->nr_vcpus,
			results_of(misfit)->nr_mechanisms, misfit->nr_vcpus,
			m->options->nr_mechanisms);
	else if (result->measured || strcmp(m->options->fault, "none"))
		judge_oracle(m->options->fault, result);
	else
		result->verdict = VERDICT_PASS;
}

static void judge_guest_code(const struct machine *m, struct run_result *result)
{
	for (unsigned i = 0; i < m->nr_vms; i++) {
		uint64_t code = m->vm[i].exit_code;

		if (code == 0)
			continue;
		result->usage = code == MV_EXIT_BAD_ARGS;
		if (result->usage)
			verdict(result, VERDICT_FAIL, "the guest refused its arguments, see above");
		else
			verdict(result, VERDICT_FAIL, "the guest of VM %u ended with code %" PRIu64,
				i, code);
		return;
	}
}

static void judge_hung(const struct machine *m, struct run_result *result)
{
	char where[384];

	machine_describe_vcpus(m, where, sizeof(where));
	verdict(result, VERDICT_FAIL, "the guest did not end within %" PRIu64 " ms (--timeout): %s",
		m->options->timeout_ns / 1000000, where);
}

void judge(const struct machine *m, const struct conduct_result *conducted,
	   struct run_result *result)
{
	result->phases = conducted->phases;
	switch (conducted->ending) {
	case ENDING_DONE:
		judge_results(m, result);
		break;
	case ENDING_GUEST_CODE:
		judge_guest_code(m, result);
		break;
	case ENDING_FAILED:
		verdict(result, VERDICT_FAIL, "%s", m->failure);
		break;
	case ENDING_HUNG:
		judge_hung(m, result);
		break;
	case ENDING_INTERRUPTED:
		result->signal = conducted->signal;
		verdict(result, VERDICT_INTERRUPTED, "interrupted by %s; the figures are partial",
			strsignal(conducted->signal));
		break;
	}
}

int result_exit_status(const struct run_result *result)
{
	switch (result->verdict) {
	case VERDICT_PASS:
		return EXIT_PASS;
	case VERDICT_FAIL:
		return result->usage ? EXIT_USAGE : EXIT_FAIL;
	case VERDICT_INCONCLUSIVE:
		return EXIT_INCONCLUSIVE;
	case VERDICT_INTERRUPTED:
		return 128 + result->signal;
	}
	return EXIT_FAIL;
}
