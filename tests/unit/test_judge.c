/* SPDX-License-Identifier: MIT */
/* How a run is judged, from what its guests left: gathering, verdict, exit status. */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/machine/results_block.h"
#include "vmm/report/gather.h"
#include "vmm/report/verdict.h"

#define NR_VMS	 2 /* at most */
#define NR_VCPUS 2 /* of each */
#define NR_MECHS 2

/* A machine that never ran: its guests' result blocks, and what judge() looks at. */
static struct {
	struct options options;
	struct vcpu vcpu[NR_VMS * NR_VCPUS];
	struct vcpu_thread thread[NR_VMS * NR_VCPUS];
	struct vm vm[NR_VMS];
	struct machine machine;
	struct conduct_result conducted;
	struct run_result result;
	_Alignas(4096) uint8_t ram[NR_VMS][1 << 17];
} run;

static struct mv_results *results_of(unsigned vm)
{
	return (struct mv_results *)run.ram[vm];
}

static struct mv_results *results(void)
{
	return results_of(0);
}

static void set_up_vm(unsigned vm)
{
	struct mv_results *r = results_of(vm);
	struct vcpu *vcpu = &run.vcpu[vm * NR_VCPUS];

	run.vm[vm] = (struct vm){ .index = vm,
				  .mem = { .ram = (struct guest_ram *)run.ram[vm],
					   .bytes = sizeof(run.ram[vm]) },
				  .nr_vcpus = NR_VCPUS,
				  .vcpu = vcpu };
	for (unsigned i = 0; i < NR_VCPUS; i++) {
		unsigned n = vm * NR_VCPUS + i;

		vcpu[i].index = i;
		vcpu[i].vm = vm;
		run.thread[n] = (struct vcpu_thread){
			.machine = &run.machine, .vm = &run.vm[vm], .vcpu = &vcpu[i], .i = n
		};
	}
	r->magic = MV_RESULT_MAGIC;
	r->nr_vcpus = NR_VCPUS;
	r->nr_mechanisms = NR_MECHS;
	strcpy(r->scenario, "storm");
	for (unsigned i = 0; i < NR_VCPUS * NR_MECHS; i++)
		r->result[i].n = (struct mv_counters){ .shootdowns = 10 + i, .oracle_reads = 100 };
}

/* On which nobody ever ran. */
static struct pcpus *create_pcpus(unsigned nr_vms)
{
	static const int host_cpu[] = { 0 };
	struct pcpu_config config = {
		.host_cpu = host_cpu,
		.nr_pcpus = 1,
		.nr_vms = nr_vms,
		.nr_vcpus = NR_VCPUS,
		.policy = &sched_policies[POLICY_round_robin],
	};
	struct error err;
	struct pcpus *pcpus = pcpus_create(&config, &err);

	ck_assert_ptr_nonnull(pcpus);
	return pcpus;
}

/* A run that went well, with results of all vCPUs under both mechanisms. */
static void set_up_vms(unsigned nr_vms)
{
	pcpus_destroy(run.machine.pcpus);
	memset(&run, 0, sizeof(run));
	run.options = (struct options){ .nr_vcpus = NR_VCPUS,
					.nr_vms = nr_vms,
					.sched = &sched_policies[POLICY_round_robin],
					.nr_mechanisms = NR_MECHS,
					.mechanism = { MECHANISM_ipi, MECHANISM_pv },
					.mechanism_label = { "ipi", "pv" },
					.fault = FAULT_none,
					.timeout_ns = 5000000000 };
	run.machine = (struct machine){ .options = &run.options,
					.nr_vms = nr_vms,
					.vm = run.vm,
					.nr_vcpus = nr_vms * NR_VCPUS,
					.thread = run.thread,
					.pcpus = create_pcpus(nr_vms) };
	for (unsigned vm = 0; vm < nr_vms; vm++)
		set_up_vm(vm);
	run.conducted.ending = ENDING_DONE;
}

static void set_up(void)
{
	set_up_vms(1);
}

static int status(void)
{
	struct error err;

	ck_assert_int_eq(gather_results(&run.machine, &run.result, &err), 0);
	judge(&run.machine, &run.conducted, &run.result);
	result_finish(&run.result);
	return result_exit_status(&run.result);
}

static void expect(int wanted, const char *reason)
{
	ck_assert_int_eq(status(), wanted);
	ck_assert_msg(strstr(run.result.reason, reason), "the reason is '%s'", run.result.reason);
}

START_TEST(checked_and_nothing_stale_is_a_pass)
{
	set_up();
	expect(0, "");
	ck_assert_str_eq(run.result.reason, "");
	ck_assert_str_eq(run.result.scenario, "storm");
	ck_assert_uint_eq(run.result.mechanism[0].n.shootdowns, 10 + 12);
	ck_assert_uint_eq(run.result.mechanism[1].n.shootdowns, 11 + 13);
}
END_TEST

START_TEST(one_stale_read_of_one_vcpu_is_a_failure)
{
	set_up();
	struct mv_counters *n = &results()->result[NR_MECHS + 1].n;
	n->stale_reads = 1;
	n->stale_expected = 7;
	n->stale_seen = 6;
	n->stale_gva = 0x1000;
	expect(1, "1 stale reads under pv: the first, at 0x1000, saw generation 6 where "
		  "generation 7 was due");
}
END_TEST

START_TEST(nothing_measured_under_one_mechanism_is_inconclusive)
{
	set_up();
	results()->result[0].n.shootdowns = results()->result[2].n.shootdowns = 0;
	expect(4, "under ipi");
}
END_TEST

START_TEST(nothing_checked_is_inconclusive)
{
	set_up();
	results()->result[1].n.oracle_reads = results()->result[3].n.oracle_reads = 0;
	expect(4, "under pv");
}
END_TEST

START_TEST(an_injected_fault_must_be_caught)
{
	set_up();
	run.options.fault = FAULT_skip_ipi_flush;
	expect(4, "skip-ipi-flush was not caught");

	set_up();
	run.options.fault = FAULT_skip_ipi_flush;
	results()->result[0].n.stale_reads = 3;
	expect(1, "by the injected fault skip-ipi-flush");

	set_up();
	run.options.fault = FAULT_skip_ipi_flush;
	results()->magic = 0;
	expect(4, "skip-ipi-flush was not caught");
}
END_TEST

START_TEST(a_page_that_no_harvest_found_is_a_failure)
{
	set_up();
	run.machine.harvester.counts.pages = 9;
	run.machine.harvester.counts.pages_lost = 2;
	run.machine.harvester.counts.lost_gpa = 0x7000;
	expect(1, "2 pages lost by dirty tracking: the first, 0x7000 of VM 0");

	set_up();
	run.machine.harvester.counts.pages_lost = 1;
	run.options.fault = FAULT_drop_dirty_entry;
	expect(1, "1 pages lost by dirty tracking, by the injected fault drop-dirty-entry");

	set_up();
	run.options.nr_tracked = 1;
	expect(4, "dirty tracking found no page");
	set_up();
	run.options.nr_tracked = 1;
	run.machine.harvester.counts.pages = 1;
	expect(0, "");
}
END_TEST

START_TEST(a_guest_without_results_passes_by_its_exit_code)
{
	set_up();
	results()->magic = 0;
	expect(0, "");
	ck_assert(!run.result.measured);
}
END_TEST

START_TEST(results_of_another_shape_are_a_failure)
{
	set_up();
	results()->nr_vcpus = 200000000;
	expect(1, "left results of 200000000 vCPUs");
}
END_TEST

START_TEST(an_exit_code_is_a_failure_and_bad_arguments_are_usage)
{
	set_up();
	run.conducted.ending = ENDING_GUEST_CODE;
	run.vm[0].exit_code = 77;
	expect(1, "ended with code 77");

	set_up();
	run.conducted.ending = ENDING_GUEST_CODE;
	run.vm[0].exit_code = MV_EXIT_BAD_ARGS;
	expect(2, "refused its arguments");
}
END_TEST

START_TEST(a_failed_machine_gives_the_reason)
{
	set_up();
	run.conducted.ending = ENDING_FAILED;
	strcpy(run.machine.failure, "vCPU 1 of VM 0 at rip 0x100000: triple fault");
	expect(1, "vCPU 1 of VM 0 at rip 0x100000: triple fault");
}
END_TEST

START_TEST(a_signal_is_128_and_its_number)
{
	set_up();
	run.conducted.ending = ENDING_INTERRUPTED;
	run.conducted.signal = SIGTERM;
	expect(128 + SIGTERM, "partial");
}
END_TEST

START_TEST(rubbish_in_the_block_stays_within_its_names_and_totals)
{
	set_up();
	memset(results()->scenario, 0x1b,
	       sizeof(results()->scenario) + sizeof(results()->ops_unit));
	memset(&results()->result[0].latency, 0xff, sizeof(struct mv_hist));
	status();
	ck_assert_uint_eq(strlen(run.result.scenario), MV_NAME_BYTES - 1);
	ck_assert_uint_eq(strspn(run.result.scenario, "?"), MV_NAME_BYTES - 1);
	ck_assert_uint_eq(run.result.mechanism[0].latency.count, MV_HIST_BUCKETS * 0xffffffffull);
}
END_TEST

/* ---- several VMs --------------------------------------------------------------------------- */

#define NR_ALL (NR_VMS * NR_VCPUS)

/* What vCPU n, through all VMs, counted as its i-th figure under a mechanism: no sum of some of
 * these is another's. */
static uint64_t figure(unsigned n, unsigned mechanism, unsigned i)
{
	return (i + 1) << 16 | (mechanism + 1) << 12 | 1u << (2 * n);
}

static uint64_t sum_of_figures(unsigned mechanism, unsigned i)
{
	uint64_t sum = 0;

	for (unsigned n = 0; n < NR_ALL; n++)
		sum += figure(n, mechanism, i);
	return sum;
}

static struct mv_result *entry(unsigned n, unsigned mechanism)
{
	return &results_of(n / NR_VCPUS)->result[n % NR_VCPUS * NR_MECHS + mechanism];
}

static void fill_in(void)
{
	for (unsigned n = 0; n < NR_ALL; n++) {
		for (unsigned k = 0; k < NR_MECHS; k++) {
			struct mv_result *r = entry(n, k);
			unsigned i = 0;

#define X(name) r->n.name = figure(n, k, i++);
			MV_COUNTED(X)
#undef X
			r->n.active_ns = 1000000000ull << n; /* a vCPU may leave a phase later */
			mv_hist_record(&r->latency, figure(n, k, 0));
			mv_hist_record(&r->latency_net, figure(n, k, 1));
			mv_hist_record(&r->pte_write, figure(n, k, 2));
			mv_hist_record(&r->local_flush, figure(n, k, 3));
		}
	}
}

static void assert_samples_of_all(const struct mv_hist *h, unsigned mechanism, unsigned i)
{
	ck_assert_uint_eq(h->count, NR_ALL);
	ck_assert_uint_eq(h->sum, sum_of_figures(mechanism, i));
	ck_assert_uint_eq(h->min, figure(0, mechanism, i));
	ck_assert_uint_eq(h->max, figure(NR_ALL - 1, mechanism, i));
}

/* Of each figure, and of the throughput each vCPU by its own time. */
START_TEST(every_figure_is_the_sum_over_all_vcpus_of_all_vms)
{
	struct error err;

	set_up_vms(NR_VMS);
	fill_in();
	ck_assert_int_eq(gather_results(&run.machine, &run.result, &err), 0);
	ck_assert_uint_eq(run.result.nr_vcpus, NR_ALL);
	for (unsigned k = 0; k < NR_MECHS; k++) {
		const struct mechanism_result *m = &run.result.mechanism[k];
		double throughput_per_s = 0;
		uint64_t active_ns = 0;
		unsigned i = 0;

		for (unsigned n = 0; n < NR_ALL; n++) {
			throughput_per_s += (double)entry(n, k)->n.ops / (1u << n);
			active_ns += entry(n, k)->n.active_ns;
			ck_assert_mem_eq(&run.result.vcpu[n].guest[k], &entry(n, k)->n,
					 sizeof(struct mv_counters));
		}
		ck_assert_uint_eq(m->n.active_ns, active_ns);
		/* It was not made by figure(), as those that follow were. */
		run.result.mechanism[k].n.active_ns = sum_of_figures(k, 1);
#define X(name) ck_assert_uint_eq(m->n.name, sum_of_figures(k, i++));
		MV_COUNTED(X)
#undef X
		ck_assert_double_eq_tol(m->throughput_per_s, throughput_per_s, 1e-6);
		assert_samples_of_all(&m->latency, k, 0);
		assert_samples_of_all(&m->latency_net, k, 1);
		assert_samples_of_all(&m->pte_write, k, 2);
		assert_samples_of_all(&m->local_flush, k, 3);
	}
	result_finish(&run.result);
}
END_TEST

START_TEST(what_the_host_saw_is_told_of_each_vcpu_of_each_vm)
{
	struct error err;

	set_up_vms(NR_VMS);
	for (unsigned n = 0; n < NR_ALL; n++) {
		run.vcpu[n].stats.run_ns = 100;
		run.vcpu[n].stats.cpu_ns = 100 - 5 * (n + 1); /* together 350 of 400 */
		run.vcpu[n].stats.halts = 1 + n;
		mv_hist_record(&run.vcpu[n].handover, 1u << n);
	}
	ck_assert_int_eq(gather_results(&run.machine, &run.result, &err), 0);
	for (unsigned n = 0; n < NR_ALL; n++) {
		ck_assert_uint_eq(run.result.vcpu[n].vm, n / NR_VCPUS);
		ck_assert_uint_eq(run.result.vcpu[n].index, n % NR_VCPUS);
		ck_assert_uint_eq(run.result.vcpu[n].host.halts, 1 + n);
	}
	ck_assert_double_eq_tol(run.result.host_took_share, 0.125, 1e-9);
	ck_assert_uint_eq(run.result.handover.count, NR_ALL);
	ck_assert_uint_eq(run.result.handover.sum, (1u << NR_ALL) - 1);
	result_finish(&run.result);
}
END_TEST

/* --count ends a phase by these. */
START_TEST(what_was_counted_so_far_is_that_of_all_vms)
{
	set_up_vms(NR_VMS);
	for (unsigned n = 0; n < NR_ALL; n++) {
		for (unsigned k = 0; k < NR_MECHS; k++) {
			entry(n, k)->n.shootdowns = figure(n, k, 0);
			entry(n, k)->n.oracle_reads = figure(n, k, 1);
		}
	}
	for (unsigned k = 0; k < NR_MECHS; k++) {
		struct so_far so_far = results_block_so_far(&run.machine, k);

		ck_assert_uint_eq(so_far.shootdowns, sum_of_figures(k, 0));
		ck_assert_uint_eq(so_far.oracle_reads, sum_of_figures(k, 1));
	}
}
END_TEST

START_TEST(a_verdict_is_about_all_vms)
{
	set_up_vms(NR_VMS);
	entry(NR_ALL - 1, 1)->n.stale_reads = 1;
	expect(1, "1 stale reads under pv");

	set_up_vms(NR_VMS);
	results_of(1)->nr_mechanisms = 1;
	expect(1, "the guest of VM 1 left results of 2 vCPUs and 1 mechanisms");

	set_up_vms(NR_VMS);
	results_of(1)->magic = 0;
	expect(0, "");
	ck_assert(!run.result.measured);

	set_up_vms(NR_VMS);
	run.conducted.ending = ENDING_GUEST_CODE;
	run.vm[1].exit_code = 77;
	expect(1, "the guest of VM 1 ended with code 77");
}
END_TEST

#define CASES(X)                                                  \
	X(checked_and_nothing_stale_is_a_pass)                    \
	X(one_stale_read_of_one_vcpu_is_a_failure)                \
	X(nothing_measured_under_one_mechanism_is_inconclusive)   \
	X(nothing_checked_is_inconclusive)                        \
	X(an_injected_fault_must_be_caught)                       \
	X(a_page_that_no_harvest_found_is_a_failure)              \
	X(a_guest_without_results_passes_by_its_exit_code)        \
	X(results_of_another_shape_are_a_failure)                 \
	X(an_exit_code_is_a_failure_and_bad_arguments_are_usage)  \
	X(a_failed_machine_gives_the_reason)                      \
	X(a_signal_is_128_and_its_number)                         \
	X(rubbish_in_the_block_stays_within_its_names_and_totals) \
	X(every_figure_is_the_sum_over_all_vcpus_of_all_vms)      \
	X(what_the_host_saw_is_told_of_each_vcpu_of_each_vm)      \
	X(what_was_counted_so_far_is_that_of_all_vms)             \
	X(a_verdict_is_about_all_vms)
UNIT_SUITE(judge, CASES)
