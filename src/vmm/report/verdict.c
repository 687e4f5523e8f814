/* SPDX-License-Identifier: MIT */
/* Judges a run by how it ended and by what its guests counted. */
#include "vmm/report/verdict.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "vmm/cli/names.h"
#include "vmm/machine/results_block.h"

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

static void describe_stale(const struct mv_counters *n, const char *mechanism, enum fault fault,
			   struct run_result *result)
{
	char seen[32] = "a poisoned page";
	bool injected = fault != FAULT_none;

	if (n->stale_seen != MV_POISON)
		snprintf(seen, sizeof(seen), "generation %" PRIu64, n->stale_seen);
	verdict(result, VERDICT_FAIL,
		"%" PRIu64 " stale reads under %s%s%s: the first, at 0x%" PRIx64
		", saw %s where generation %" PRIu64 " was due",
		n->stale_reads, mechanism, injected ? ", by the injected fault " : "",
		injected ? fault_names.name[fault] : "", n->stale_gva, seen, n->stale_expected);
}

static void describe_lost(const struct options *o, struct run_result *result)
{
	const struct dirty_counts *n = &result->dirty;
	bool injected = o->fault != FAULT_none;

	verdict(result, VERDICT_FAIL,
		"%" PRIu64 " pages lost by dirty tracking%s%s: the first, 0x%" PRIx64
		" of VM %u, was written and is in no harvest since",
		n->pages_lost, injected ? ", by the injected fault " : "",
		injected ? fault_names.name[o->fault] : "", n->lost_gpa, n->lost_vm);
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
static void judge_oracle(const struct options *o, struct run_result *result)
{
	enum fault fault = o->fault;
	const struct mechanism_result *stale = most_stale(result);
	const char *unmeasured = first_unmeasured(result);

	if (stale)
		describe_stale(&stale->n, stale->name, fault, result);
	else if (fault != FAULT_none)
		verdict(result, VERDICT_INCONCLUSIVE,
			"the injected fault %s was not caught: no stale read was seen",
			fault_names.name[fault]);
	else if (unmeasured)
		verdict(result, VERDICT_INCONCLUSIVE,
			"no shootdown was completed and checked under %s", unmeasured);
	else if (o->nr_tracked && result->dirty.pages == 0)
		verdict(result, VERDICT_INCONCLUSIVE, "dirty tracking found no page");
	else
		result->verdict = VERDICT_PASS;
}

/* A block that is signed but made for other vCPUs or mechanisms than there are. */
static const struct vm *first_misfit(const struct machine *m)
{
	for (unsigned i = 0; i < m->nr_vms; i++) {
		if (results_block(&m->vm[i])->magic == MV_RESULT_MAGIC &&
		    !results_block_is_valid(m, &m->vm[i]))
			return &m->vm[i];
	}
	return NULL;
}

/* A guest that leaves no results is judged by its exit code alone, unless a fault was
 * injected: somebody has to have seen it. */
static void judge_results(const struct machine *m, struct run_result *result)
{
	const struct vm *misfit = first_misfit(m);

	if (result->dirty.pages_lost)
		describe_lost(m->options, result);
	else if (misfit)
		verdict(result, VERDICT_FAIL,
			"the guest of VM %u left results of %u vCPUs and %u mechanisms, and has %u "
			"and %u",
			misfit->index, results_block(misfit)->nr_vcpus,
			results_block(misfit)->nr_mechanisms, misfit->nr_vcpus,
			m->options->nr_mechanisms);
	else if (result->measured || m->options->fault != FAULT_none)
		judge_oracle(m->options, result);
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
