/* SPDX-License-Identifier: MIT */
/*
 * Runs the shipped functions of host and guest through all interleavings, in one situation
 * after the other: test_shipped [-v FILE] [STAGE...]. With -v, for another vectors.S, and so for
 * mistakes that are made on purpose, it ends with the first stage that goes wrong.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "handler.h"

static const struct stage stages[] = {
	{ .name = "pv",
	  .mechanism = "pv",
	  .nr_vcpus = 3,
	  .rounds = { 1, 1 },
	  .targets = { 4, 4 },
	  .preempted = 4,
	  .preemptions = 2,
	  .kernel_marks = 1 },
	{ .name = "pv-store-buffers",
	  .mechanism = "pv",
	  .nr_vcpus = 3,
	  .rounds = { 1, 1 },
	  .targets = { 4, 4 },
	  .preempted = 4,
	  .preemptions = 2,
	  .buffers_stores = true },
	{ .name = "pv-again",
	  .mechanism = "pv",
	  .nr_vcpus = 2,
	  .rounds = { 3 },
	  .targets = { 2 },
	  .preempted = 2,
	  .preemptions = 3,
	  .kernel_marks = 1 },
	{ .name = "pv-kicked",
	  .mechanism = "pv",
	  .nr_vcpus = 2,
	  .rounds = { 2 },
	  .targets = { 2 },
	  .preempted = 2,
	  .preemptions = 1,
	  .kicks = 1 },
	{ .name = "pv-yielding",
	  .mechanism = "pv",
	  .nr_vcpus = 2,
	  .rounds = { 2 },
	  .targets = { 2 },
	  .yields = { 0, 2 } },
	{ .name = "pv-each-other",
	  .mechanism = "pv",
	  .nr_vcpus = 2,
	  .rounds = { 2, 1 },
	  .targets = { 2, 1 },
	  .preempted = 3,
	  .preemptions = 2 },
	{ .name = "pv-two-pcpus",
	  .mechanism = "pv",
	  .nr_vcpus = 3,
	  .vm = 1,
	  .nr_pcpus = 2,
	  .rounds = { 2 },
	  .targets = { 6 },
	  .preempted = 7,
	  .preemptions = 1 },
	{ .name = "pv-recheck",
	  .mechanism = "pv-recheck",
	  .nr_vcpus = 3,
	  .rounds = { 1, 1 },
	  .targets = { 4, 4 },
	  .preempted = 4,
	  .preemptions = 1 },
	{ .name = "pv-recheck-again",
	  .mechanism = "pv-recheck",
	  .nr_vcpus = 2,
	  .rounds = { 2 },
	  .targets = { 2 },
	  .preempted = 3,
	  .preemptions = 2 },
	{ .name = "tickets",
	  .mechanism = "ipi",
	  .nr_vcpus = 3,
	  .rounds = { 2, 1 },
	  .targets = { 4, 4 } },
	{ .name = "phase-end", .mechanism = "ipi", .nr_vcpus = 3, .ends_phase = true },
	{ .name = "halted",
	  .mechanism = "pv",
	  .nr_vcpus = 3,
	  .rounds = { 1, 1 },
	  .targets = { 4, 4 },
	  .preempted = 4,
	  .preemptions = 1,
	  .halting = 4 },
	{ .name = "halted-marked",
	  .mechanism = "pv-halted",
	  .nr_vcpus = 3,
	  .rounds = { 1, 1 },
	  .targets = { 4, 4 },
	  .preempted = 4,
	  .preemptions = 1,
	  .halting = 4,
	  .marks_halted = true },
	{ .name = "halted-nmi",
	  .mechanism = "pv-halted",
	  .nr_vcpus = 2,
	  .rounds = { 2 },
	  .targets = { 2 },
	  .preempted = 2,
	  .preemptions = 1,
	  .halting = 2,
	  .nmis = 1,
	  .marks_halted = true },
	{ .name = "hypercall",
	  .mechanism = "hypercall",
	  .nr_vcpus = 2,
	  .rounds = { 2 },
	  .targets = { 2 },
	  .preempted = 2,
	  .preemptions = 2,
	  .buffers_stores = true },
	{ .name = "hypercall-each-other",
	  .mechanism = "hypercall",
	  .nr_vcpus = 2,
	  .vm = 1,
	  .rounds = { 1, 1 },
	  .targets = { 2, 1 },
	  .preempted = 3,
	  .preemptions = 1 },
	{ .name = "yield",
	  .mechanism = "ipi-yield",
	  .nr_vcpus = 2,
	  .vm = 1,
	  .nr_pcpus = 1,
	  .rounds = { 2, 1 },
	  .targets = { 2, 1 },
	  .preempted = 3,
	  .preemptions = 1 },
};

enum { NR_STAGES = sizeof(stages) / sizeof(stages[0]) };

static const char more_is_shared[] = "more memory is shared than was known";

/* Begins again for as long as memory turns out to be shared. */
static void explore_stage(const struct explore_model *model, struct explore_result *ret)
{
	do {
		explore(model, ret);
	} while (ret->violation && strcmp(ret->violation, more_is_shared) == 0);
}

static bool check(unsigned number, const struct stage *stage)
{
	static struct explore_result result;
	const struct explore_model *model = bed_model(stage);

	explore_stage(model, &result);
	printf("%s %u - %s: %u states, the farthest %u steps away\n",
	       result.violation ? "not ok" : "ok", number, stage->name, result.nr_states,
	       result.depth);
	if (result.violation)
		explore_print(model, &result);
	fflush(stdout);
	return !result.violation;
}

static bool is_wanted(const char *name, int nr, char **wanted)
{
	for (int i = 0; i < nr; i++)
		if (strcmp(wanted[i], name) == 0)
			return true;
	return nr == 0;
}

int main(int argc, char **argv)
{
	static const char default_vectors[] = VECTORS_S;
	const char *vectors = default_vectors;
	unsigned number = 0;
	bool ok = true;

	if (argc > 2 && strcmp(argv[1], "-v") == 0) {
		vectors = argv[2];
		argc -= 2;
		argv += 2;
	}
	handler_read(vectors);
	for (unsigned i = 0; i < NR_STAGES && (ok || vectors == default_vectors); i++)
		if (is_wanted(stages[i].name, argc - 1, argv + 1))
			ok &= check(++number, &stages[i]);
	printf("1..%u\n", number);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
