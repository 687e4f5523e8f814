/* SPDX-License-Identifier: MIT */
/* The bundled guest: shoots down TLBs under a scenario, phase by phase, and measures it. */
#include "guest-kernel/base/console.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/base/memory.h"
#include "guest-kernel/base/platform.h"
#include "guest-kernel/cpu/clock.h"
#include "guest-kernel/cpu/paging.h"
#include "guest-kernel/cpu/percpu.h"
#include "guest-kernel/cpu/x86.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/pvh/pvh.h"
#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/phase.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/fault.h"
#include "guest-kernel/shootdown/hint.h"
#include "guest-kernel/shootdown/ipi.h"
#include "guest-kernel/shootdown/oracle.h"
#include "guest-kernel/shootdown/steal.h"
#include "guest-kernel/shootdown/trace.h"

struct percpu percpus[MV_MAX_VCPUS];
uint64_t clock_ns_per_tick_32;
struct mv_hint *hints;

/* Set up by vCPU 0, constant from then on. */
static struct {
	const struct mv_boot_info *boot;
	struct mv_results *results;
	const struct mechanism *mechanism[MV_MAX_MECHANISMS];
	struct params params;
	bool ready; /* atomic: the rest is valid */
} guest;

_Noreturn void kmain(const struct mv_boot_info *boot, uint32_t index, uint64_t boot_cr3);

static _Noreturn void refuse(const char *subject, const char *reason)
{
	struct line line = { 0 };

	line_add(&line, "guest: ");
	line_add(&line, subject);
	line_add(&line, ": ");
	line_add(&line, reason);
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

static void check_boot_info(const struct mv_boot_info *boot)
{
	if (boot->magic != MV_BOOT_MAGIC || boot->abi_version != MV_ABI_VERSION)
		refuse("boot information", "not that of this version of minivmm");
	if (boot->results_bytes < MV_RESULTS_BYTES(boot->nr_vcpus, boot->nr_mechanisms))
		refuse("result block", "too small for so many vCPUs and mechanisms");
}

static void find_mechanisms(const struct mv_boot_info *boot)
{
	struct cpuid leaf_1 = cpuid(1), kvm_features = cpuid(KVM_CPUID_FEATURES);
	const char *why_no_pv = steal_why_no_pv_flush(&leaf_1, &kvm_features, boot->nr_vcpus);

	for (uint32_t i = 0; i < boot->nr_mechanisms; i++) {
		const char *name = boot->mechanism[i];

		guest.mechanism[i] = mechanism_find(name);
		if (!guest.mechanism[i])
			refuse(name, "this guest has no such mechanism");
		if ((guest.mechanism[i]->host & (MV_HOST_MARKS | MV_HOST_KERNEL)) && why_no_pv)
			refuse(name, why_no_pv);
	}
}

static void init_percpus(const struct mv_boot_info *boot, uint32_t nr_targets)
{
	for (uint32_t i = 0; i < boot->nr_vcpus; i++) {
		percpus[i].index = i;
		percpus[i].nr_vcpus = boot->nr_vcpus;
		percpus[i].nr_targets = nr_targets;
		for (uint32_t n = 1; n <= nr_targets; n++)
			targets_add(&percpus[i].targets, targets_after(i, n, boot->nr_vcpus));
		percpus[i].random = (boot->seed + i) | 1;
	}
}

/* The results are good for reading from now on, so that a run that ends early has some. */
static void sign_results(struct mv_results *results)
{
	results->nr_vcpus = guest.boot->nr_vcpus;
	results->nr_mechanisms = guest.boot->nr_mechanisms;
	str_copy(results->scenario, scenario_name(guest.params.scenario),
		 sizeof(results->scenario));
	str_copy(results->ops_unit, guest.params.scenario->ops_unit, sizeof(results->ops_unit));
	__atomic_store_n(&results->magic, MV_RESULT_MAGIC, __ATOMIC_RELEASE);
}

/* What vCPU 0 does for all of them. */
static void init_machine(const struct mv_boot_info *boot, uint64_t boot_cr3)
{
	check_boot_info(boot);
	guest.boot = boot;
	guest.results = (struct mv_results *)boot->results_gpa;
	hints = (struct mv_hint *)boot->hints_gpa;
	clock_ns_per_tick_32 = boot->ns_per_tick_32;

	fault_select(boot->fault);
	traps_init(steps.answer_ipi);
	args_parse(boot->args, &guest.params);
	find_mechanisms(boot);

	memory_init(boot);
	init_percpus(boot, args_nr_targets(&guest.params, boot->nr_vcpus));
	paging_init(boot_cr3, boot->nr_vcpus);
	oracle_init(boot->nr_vcpus);
	guest.params.scenario->init(&guest.params, boot->nr_vcpus);
	sign_results(guest.results);
	__atomic_store_n(&guest.ready, true, __ATOMIC_RELEASE);
}

static void wait_for_machine(void)
{
	while (!__atomic_load_n(&guest.ready, __ATOMIC_ACQUIRE))
		platform->yield();
}

/* What each vCPU does for itself. Afterwards it can be a target. */
static void init_vcpu(struct percpu *self)
{
	load_cr3((uint64_t)self->pml4);
	steal_register(self);
	trace_prepare(guest.boot, self->index);
	ipi_enable();
}

static void run_phase(struct percpu *self, uint32_t mechanism)
{
	uint32_t i = self->index * guest.boot->nr_mechanisms + mechanism;

	self->mechanism = guest.mechanism[mechanism];
	self->result = &guest.results->result[i];
	self->trace = trace_ring(guest.boot, self->index);
	phase_run(self, guest.params.scenario, (const struct mv_control *)MV_CONTROL_GPA);
}

/* Entered from entry.S by each vCPU, in ring 3 on a stack of its own. */
_Noreturn void kmain(const struct mv_boot_info *boot, uint32_t index, uint64_t boot_cr3)
{
	struct percpu *self = &percpus[index];

	/* minivmm passes boot information; under another VMM it has to be made up first. */
	if (index == 0)
		init_machine(boot ? boot : pvh_start(), boot_cr3);
	else
		wait_for_machine();
	init_vcpu(self);

	for (;;) {
		uint32_t mechanism = platform->wait_phase();

		if (mechanism == MV_PHASE_END)
			break;
		run_phase(self, mechanism);
	}
	if (index == 0)
		platform->exit(MV_EXIT_OK);
	platform->idle();
}
