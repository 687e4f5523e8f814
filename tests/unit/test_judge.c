/* SPDX-License-Identifier: MIT */
/* How a run is judged, from what its guests left: gathering, verdict, exit status. */
#include "unit.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/report/gather.h"
#include "vmm/report/verdict.h"

#define NR_VCPUS 2
#define NR_MECHS 2

/* A machine that never ran: a guest's result block, and what judge() looks at. */
static struct {
	struct options options;
	struct vcpu vcpu[NR_VCPUS];
	struct vcpu_thread thread[NR_VCPUS];
	struct vm vm;
	struct machine machine;
	struct conduct_result conducted;
	struct run_result result;
	_Alignas(4096) uint8_t ram[1 << 17];
} run;

static struct mv_results *results(void)
{
	return (struct mv_results *)run.ram;
}

/* A run that went well, with results of both vCPUs under both mechanisms. */
static void set_up(void)
{
	memset(&run, 0, sizeof(run));
	run.options = (struct options){ .nr_vcpus = NR_VCPUS,
					.nr_vms = 1,
					.nr_mechanisms = NR_MECHS,
					.mechanism = { MECHANISM_ipi, MECHANISM_pv },
					.mechanism_label = { "ipi", "pv" },
					.fault = FAULT_none,
					.timeout_ns = 5000000000 };
	run.vm = (struct vm){ .mem = { .ram = (struct guest_ram *)run.ram,
				       .bytes = sizeof(run.ram) },
			      .nr_vcpus = NR_VCPUS,
			      .vcpu = run.vcpu };
	run.machine = (struct machine){ .options = &run.options,
					.nr_vms = 1,
					.vm = &run.vm,
					.nr_vcpus = NR_VCPUS,
					.thread = run.thread };
	for (unsigned i = 0; i < NR_VCPUS; i++) {
		run.vcpu[i].index = i;
		run.thread[i] = (struct vcpu_thread){
			.machine = &run.machine, .vm = &run.vm, .vcpu = &run.vcpu[i], .i = i
		};
	}
	results()->magic = MV_RESULT_MAGIC;
	results()->nr_vcpus = NR_VCPUS;
	results()->nr_mechanisms = NR_MECHS;
	strcpy(results()->scenario, "storm");
	for (unsigned i = 0; i < NR_VCPUS * NR_MECHS; i++)
		results()->result[i].n = (struct mv_counters){ .shootdowns = 10 + i,
							       .oracle_reads = 100 };
	run.conducted.ending = ENDING_DONE;
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
	run.vm.exit_code = 77;
	expect(1, "ended with code 77");

	set_up();
	run.conducted.ending = ENDING_GUEST_CODE;
	run.vm.exit_code = MV_EXIT_BAD_ARGS;
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

#define CASES(X)                                                 \
	X(checked_and_nothing_stale_is_a_pass)                   \
	X(one_stale_read_of_one_vcpu_is_a_failure)               \
	X(nothing_measured_under_one_mechanism_is_inconclusive)  \
	X(nothing_checked_is_inconclusive)                       \
	X(an_injected_fault_must_be_caught)                      \
	X(a_page_that_no_harvest_found_is_a_failure)             \
	X(a_guest_without_results_passes_by_its_exit_code)       \
	X(results_of_another_shape_are_a_failure)                \
	X(an_exit_code_is_a_failure_and_bad_arguments_are_usage) \
	X(a_failed_machine_gives_the_reason)                     \
	X(a_signal_is_128_and_its_number)                        \
	X(rubbish_in_the_block_stays_within_its_names_and_totals)
UNIT_SUITE(judge, CASES)
