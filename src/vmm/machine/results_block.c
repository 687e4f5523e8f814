/* SPDX-License-Identifier: MIT */
/* The guests' result blocks. Their contents are the guests' word: nothing here checks it. */
#include "vmm/machine/results_block.h"

const struct mv_results *results_block(const struct vm *vm)
{
	return guest_mem_own(&vm->mem, vm->layout.results_gpa, vm->layout.results_bytes);
}

bool results_block_is_valid(const struct machine *m, const struct vm *vm)
{
	const struct mv_results *r = results_block(vm);

	return r->magic == MV_RESULT_MAGIC && r->nr_vcpus == vm->nr_vcpus &&
	       r->nr_mechanisms == m->options->nr_mechanisms;
}

const struct mv_result *results_block_entry(const struct machine *m, unsigned vcpu,
					    unsigned mechanism)
{
	const struct options *o = m->options;
	const struct vm *vm = &m->vm[vcpu / o->nr_vcpus];

	return &results_block(vm)->result[vcpu % o->nr_vcpus * o->nr_mechanisms + mechanism];
}

struct so_far results_block_so_far(const struct machine *m, unsigned mechanism)
{
	struct so_far sum = { 0 };

	for (unsigned v = 0; v < m->nr_vcpus; v++) {
		const struct mv_counters *n = &results_block_entry(m, v, mechanism)->n;

		sum.shootdowns += __atomic_load_n(&n->shootdowns, __ATOMIC_RELAXED);
		sum.oracle_reads += __atomic_load_n(&n->oracle_reads, __ATOMIC_RELAXED);
	}
	return sum;
}
