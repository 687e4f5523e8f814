/* SPDX-License-Identifier: MIT */
/* The report of a made-up run: the JSON read back, the table by what it must show. */
#include "unit.h"

#include <json-c/json.h>
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/human.h"
#include "vmm/cli/names.h"
#include "vmm/report/report.h"

#define NR_VCPUS 2

/* Large, and pointed to by struct report: built anew for each test. */
static struct {
	struct options options;
	struct host_info host;
	struct run_result result;
	struct vcpu_result vcpu[NR_VCPUS];
	struct report report;
} run;

static void make_mechanism(struct mechanism_result *m, const char *name, uint64_t latency_ns,
			   double throughput_per_s)
{
	*m = (struct mechanism_result){
		.name = name,
		.n = { .shootdowns = 1000,
		       .targets = 4000,
		       .targets_preempted = 1000,
		       .ipis_sent = 3000,
		       .flushes_deferred = 1234567,
		       .oracle_reads = 600000 },
		.throughput_per_s = throughput_per_s,
	};
	for (unsigned i = 0; i < 1000; i++)
		mv_hist_record(&m->latency, latency_ns);
	mv_hist_record(&m->pte_write, 40);
}

static void make_run(void)
{
	memset(&run, 0, sizeof(run));
	run.options = (struct options){ .guest_path = "dir/guest.elf",
					.guest_args = "scenario=storm",
					.nr_vcpus = 4,
					.nr_vms = 1,
					.pcpus = { 2, { 0, 1 } },
					.mem_bytes = 64 << 20,
					.slice_ns = 4000000,
					.slice_jitter_pct = 25,
					.slice_alignment = SLICES_independent,
					.sched = &sched_policies[POLICY_round_robin],
					.nr_mechanisms = 2,
					.mechanism = { MECHANISM_ipi, MECHANISM_pv },
					.mechanism_label = { "ipi", "pv" },
					.flush_via = FLUSH_CHOICE_auto,
					.duration_ns = 2000000000,
					.seed = UINT64_MAX,
					.fault = FAULT_none,
					.timeout_ns = 34000000000 };
	strcpy(run.host.cpu_model, "A \"quoted\" CPU");
	strcpy(run.host.kernel, "Linux 6.1");
	strcpy(run.host.kvm_module, "kvm_amd");
	strcpy(run.host.paging, "nested page tables");
	strcpy(run.host.emulator, "none");
	strcpy(run.host.minivmm_version, "0.1.0");
	strcpy(run.host.time_utc, "2026-01-02T03:04:05Z");
	strcpy(run.host.hypervisor, "none");
	run.host.online_cpus = 2;
	run.host.kvm_caps.max_vcpus = 1024;
	run.result = (struct run_result){ .verdict = VERDICT_PASS,
					  .measured = true,
					  .scenario = "storm",
					  .ops_unit = "rounds",
					  .nr_mechanisms = 2,
					  .nr_vcpus = NR_VCPUS,
					  .vcpu = run.vcpu,
					  .phases = 20,
					  .flush_via = "sync-regs" };
	make_mechanism(&run.result.mechanism[0], "ipi", 4000000, 250);
	make_mechanism(&run.result.mechanism[1], "pv", 1000, 11000);
	run.result.selfcheck.proof[FLUSH_VIA_sync_regs] = PROOF_FLUSHES;
	run.vcpu[1].index = 1;
	mv_hist_record(&run.result.handover, 20000);
	run.result.slices =
		(struct slice_sums){ .nr = 10, .asked_ns = 40000000, .had_ns = 79000000 };
	run.result.timer_ns = 4000000;
	run.vcpu[1].host.steal_ns = 5000000;
	run.vcpu[1].guest[1].ipis_sent = 99;
	run.report = (struct report){ &run.options, &run.host, &run.result };
}

/* A run that follows a schedule and records another. */
static void make_replay(void)
{
	make_run();
	run.options.record_path = "new.sched";
	run.options.replay_path = "old.sched";
	run.result.recorded = 1003;
	run.result.guest_is_recorded = true;
	run.result.replay = (struct replay_counts){
		.decisions = 1000, .followed = 900, .ended_alike = 800, .by_policy = 70
	};
}

/* One mechanism, without dirty tracking and with it. */
static void make_dirty(void)
{
	make_run();
	run.options.dirty = DIRTY_ring;
	run.options.dirty_every_ns = 5000000;
	run.options.nr_tracked = 1;
	run.options.mechanism[1] = MECHANISM_ipi;
	run.options.mechanism_label[1] = run.result.mechanism[1].name = "ipi+ring";
	run.result.dirty.tracked_ns = 500000000;
	run.result.dirty.harvests = 10;
	run.result.dirty.pages = 700;
	run.result.dirty.ring_full_exits = 3;
	run.result.dirty.pages_checked = 4096;
	mv_hist_record(&run.result.dirty.harvest, 40);
	run.result.mechanism[0].throughput_per_s = 200;
	run.result.mechanism[1].throughput_per_s = 100;
}

static char *print_text(void)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	struct error err;

	ck_assert_int_eq(report_print_text(out, &run.report, &err), 0);
	fclose(out);
	return text;
}

static json_object *parse_json(void)
{
	char *text = report_make_json(&run.report);

	ck_assert_ptr_nonnull(text);
	json_object *o = json_tokener_parse(text);
	ck_assert_ptr_nonnull(o);
	free(text);
	return o;
}

/* The member at a path of keys and indices with slashes between: "vcpus/1/host". */
static json_object *at(json_object *o, const char *path)
{
	json_object *found = NULL;

	ck_assert_msg(json_pointer_get(o, path, &found) == 0, "no %s", path);
	return found;
}

START_TEST(json_holds_every_figure)
{
	static const struct {
		const char *path;
		double value;
	} table[] = {
		{ "/config/vcpus", 4 },
		{ "/config/pcpus/1", 1 },
		{ "/config/slice_ns", 4e6 },
		{ "/config/timeout_ns", 34e9 },
		{ "/host/kvm/capabilities/max_vcpus", 1024 },
		{ "/phases", 20 },
		{ "/handover_ns/p50", 20000 },
		{ "/slices/ended", 10 },
		{ "/slices/asked_ns", 4e6 },
		{ "/slices/had_ns", 7.9e6 },
		{ "/slices/timer_resolution_ns", 4e6 },
		{ "/mechanisms/ipi/shootdowns", 1000 },
		{ "/mechanisms/ipi/stale_reads", 0 },
		{ "/mechanisms/ipi/latency_ns/p50", 4e6 },
		{ "/mechanisms/ipi/latency_ns/mean", 4e6 },
		{ "/mechanisms/ipi/latency_ns/histogram/0/1", 1000 },
		{ "/mechanisms/pv/latency_ns/max", 1000 },
		{ "/mechanisms/pv/latency_ns/p999", 1000 },
		{ "/mechanisms/pv/pte_write_ns/samples", 1 },
		{ "/mechanisms/pv/throughput_per_s", 11000 },
		{ "/mechanisms/pv/ipis_sent", 3000 },
		{ "/mechanisms/pv/flushes_deferred", 1234567 },
		{ "/mechanisms/pv/targets_preempted_share", 0.25 },
		{ "/ratios/pv:ipi/throughput", 44 },
		{ "/ratios/pv:ipi/latency_p50", 0.00025 },
		{ "/vcpus/1/vcpu", 1 },
		{ "/vcpus/1/host/steal_ns", 5e6 },
		{ "/vcpus/1/guest/pv/ipis_sent", 99 },
	};

	make_run();
	json_object *o = parse_json();
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		double value = json_object_get_double(at(o, table[i].path));
		ck_assert_msg(fabs(value - table[i].value) <= 1e-9 * value, "%s is %g",
			      table[i].path, value);
	}
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/config/seed")), UINT64_MAX);
	json_object_put(o);
}
END_TEST

START_TEST(json_holds_every_word)
{
	static const struct {
		const char *path, *value;
	} table[] = {
		{ "/schema", "minivmm.run/1" },
		{ "/verdict", "pass" },
		{ "/host/cpu_model", "A \"quoted\" CPU" },
		{ "/host/kvm/module", "kvm_amd" },
		{ "/config/guest", "dir/guest.elf" },
		{ "/config/shootdown/1", "pv" },
		{ "/config/flush_via", "auto" },
		{ "/flush_via", "sync-regs" },
		{ "/scenario", "storm" },
		{ "/ops_unit", "rounds" },
		{ "/selfcheck/primitives/sync-regs/proof", "flushes" },
		{ "/selfcheck/primitives/sregs/proof", "not-tried" },
	};

	make_run();
	json_object *o = parse_json();
	for (unsigned i = 0; i < COUNT_OF(table); i++)
		ck_assert_str_eq(json_object_get_string(at(o, table[i].path)), table[i].value);
	ck_assert_ptr_null(at(o, "/signal"));
	ck_assert_ptr_null(at(o, "/reason"));
	json_object_put(o);
}
END_TEST

START_TEST(json_says_null_where_there_is_no_number)
{
	make_run();
	run.result.mechanism[0].n.targets = 0;
	run.result.mechanism[0].throughput_per_s = 0;
	json_object *o = parse_json();
	ck_assert_ptr_null(at(o, "/mechanisms/ipi/targets_preempted_share"));
	ck_assert_ptr_null(at(o, "/ratios/pv:ipi/throughput"));
	json_object_put(o);
}
END_TEST

START_TEST(an_interrupted_run_is_marked_as_partial)
{
	make_run();
	run.result.verdict = VERDICT_INTERRUPTED;
	run.result.signal = SIGINT;
	json_object *o = parse_json();
	ck_assert_str_eq(json_object_get_string(at(o, "/verdict")), "interrupted");
	ck_assert_int_eq(json_object_get_int(at(o, "/signal")), SIGINT);
	ck_assert(json_object_get_boolean(at(o, "/partial")));
	json_object_put(o);

	char *text = print_text();
	ck_assert_ptr_nonnull(strstr(text, "INTERRUPTED by Interrupt: the figures are partial\n"));
	free(text);
}
END_TEST

START_TEST(json_histogram_adds_up_to_the_samples)
{
	make_run();
	for (uint64_t ns = 1; ns < 1ull << 42; ns *= 3)
		mv_hist_record(&run.result.mechanism[1].latency, ns);
	json_object *o = parse_json();
	json_object *buckets = at(o, "/mechanisms/pv/latency_ns/histogram");
	uint64_t sum = 0, last = 0;

	for (size_t i = 0; i < json_object_array_length(buckets); i++) {
		json_object *pair = json_object_array_get_idx(buckets, i);
		uint64_t low = json_object_get_uint64(json_object_array_get_idx(pair, 0));
		ck_assert(i == 0 || low > last);
		last = low;
		sum += json_object_get_uint64(json_object_array_get_idx(pair, 1));
	}
	ck_assert_uint_eq(sum, run.result.mechanism[1].latency.count);
	json_object_put(o);
}
END_TEST

/* ---- the schema: as much of JSON Schema as docs/run.schema.json makes use of --------------- */

static json_object *member(json_object *o, const char *key)
{
	return json_object_object_get(o, key);
}

static bool type_matches(json_object *type, json_object *value)
{
	const char *name = json_object_get_string(type);
	enum json_type is = json_object_get_type(value);

	if (strcmp(name, "number") == 0)
		return is == json_type_double || is == json_type_int;
	if (strcmp(name, "integer") == 0)
		return is == json_type_int;
	return strcmp(name, json_type_to_name(is)) == 0;
}

static void check_type(json_object *type, json_object *value, const char *where)
{
	bool matches = false;

	if (!json_object_is_type(type, json_type_array)) {
		ck_assert_msg(type_matches(type, value), "%s has another type", where);
		return;
	}
	for (size_t i = 0; i < json_object_array_length(type); i++)
		matches |= type_matches(json_object_array_get_idx(type, i), value);
	ck_assert_msg(matches, "%s has another type", where);
}

static void check_value(json_object *root, json_object *schema, json_object *value,
			const char *where);

/* Every member is described, and every member that is required is there. */
static void check_members(json_object *root, json_object *schema, json_object *value)
{
	json_object *required = member(schema, "required"), *unused;

	for (size_t i = 0; required && i < json_object_array_length(required); i++) {
		const char *key = json_object_get_string(json_object_array_get_idx(required, i));
		ck_assert_msg(json_object_object_get_ex(value, key, &unused), "%s is missing", key);
	}
	json_object_object_foreach(value, key, item)
	{
		json_object *properties = member(schema, "properties");
		json_object *described = properties ? member(properties, key)
						    : member(schema, "additionalProperties");
		ck_assert_msg(described != NULL, "%s is not described", key);
		check_value(root, described, item, key);
	}
}

static void check_value(json_object *root, json_object *schema, json_object *value,
			const char *where)
{
	json_object *ref = member(schema, "$ref");

	if (ref) {
		json_object *target = NULL;
		json_pointer_get(root, json_object_get_string(ref) + 1, &target);
		ck_assert_ptr_nonnull(target);
		check_value(root, target, value, where);
		return;
	}
	if (member(schema, "type"))
		check_type(member(schema, "type"), value, where);
	if (json_object_is_type(value, json_type_object))
		check_members(root, schema, value);
	for (size_t i = 0; member(schema, "items") && i < json_object_array_length(value); i++)
		check_value(root, member(schema, "items"), json_object_array_get_idx(value, i),
			    where);
}

START_TEST(json_is_as_its_schema_says)
{
	char path[512];
	const char *source = getenv("MINIVMM_SOURCE");

	ck_assert_msg(source != NULL, "MINIVMM_SOURCE must name the source directory");
	snprintf(path, sizeof(path), "%s/docs/run.schema.json", source);
	json_object *schema = json_object_from_file(path);
	ck_assert_msg(schema != NULL, "%s", json_util_get_last_err());
	make_run();
	json_object *o = parse_json();
	check_value(schema, schema, o, "the result");
	json_object_put(o);
	make_dirty();
	o = parse_json();
	check_value(schema, schema, o, "the result with dirty tracking");
	json_object_put(o);
	make_replay();
	run.result.replay.divergences = 1;
	o = parse_json();
	check_value(schema, schema, o, "the result of a replay");
	json_object_put(o);
	json_object_put(schema);
}
END_TEST

/* ---- the table ---------------------------------------------------------------------------- */

/* The line of the table that begins with a label. */
static const char *find_row(const char *text, const char *label)
{
	char start[64];

	snprintf(start, sizeof(start), "\n  %s  ", label);
	const char *line = strstr(text, start);
	ck_assert_msg(line != NULL, "no row '%s' in:\n%s", label, text);
	return line + 1;
}

START_TEST(the_table_shows_every_figure_in_its_column)
{
	static const struct {
		const char *label;
		const char *ipi, *pv;
	} table[] = {
		{ "shootdowns", "1,000", "1,000" },
		{ "latency p50", "4.00 ms", "1.00 us" },
		{ "latency p99.9", "4.00 ms", "1.00 us" },
		{ "latency max", "4.00 ms", "1.00 us" },
		{ "net of own steal, p50", "-", "-" },
		{ "PTE write p50", "40 ns", "40 ns" },
		{ "local flush p50", "-", "-" },
		{ "IPIs sent", "3,000", "3,000" },
		{ "flushes deferred", "1,234,567", "1,234,567" },
		{ "targets preempted at send", "25.0%", "25.0%" },
		{ "throughput, rounds/s", "250", "11,000" },
		{ "stale reads", "0", "0" },
	};

	make_run();
	char *text = print_text();
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		char row[128];
		snprintf(row, sizeof(row), "  %-26s%14s%14s\n", table[i].label, table[i].ipi,
			 table[i].pv);
		const char *line = find_row(text, table[i].label);
		ck_assert_msg(strncmp(line, row, strlen(row)) == 0, "%s", text);
	}
	free(text);
}
END_TEST

START_TEST(the_report_names_machine_and_configuration_and_ends_with_the_verdict)
{
	static const char *const says[] = {
		"minivmm 0.1.0 on A \"quoted\" CPU, 2 CPUs, Linux 6.1, kvm_amd\n",
		"\nstorm, 4 vCPUs : 2 pCPUs (0-1), memory 64M, slice 4.00 ms +-25%, round-robin\n",
		"\nflush via sync-regs, seed 18446744073709551615\n",
		"\n  relative to ipi   ",
		"44.0x\n",
		"1/4,000\n",
	};

	make_run();
	char *text = print_text();
	for (unsigned i = 0; i < COUNT_OF(says); i++)
		ck_assert_msg(strstr(text, says[i]) != NULL, "no '%s' in:\n%s", says[i], text);
	const char *verdict = "\n\nPASS: 1,200,000 translations checked, none stale\n";
	ck_assert_str_eq(text + strlen(text) - strlen(verdict), verdict);
	free(text);
}
END_TEST

START_TEST(quiet_prints_the_verdict_and_how_to_repeat_a_failure)
{
	make_run();
	run.options.quiet = true;
	run.result.verdict = VERDICT_FAIL;
	strcpy(run.result.reason, "3 stale reads");
	char *text = print_text();
	ck_assert_str_eq(text, "repeat with: minivmm --vcpus 4 --pcpus 0-1 --seed "
			       "18446744073709551615 dir/guest.elf -- scenario=storm\n"
			       "FAIL: 3 stale reads\n");
	free(text);
	run.result.usage = true; /* to repeat that would be of no use */
	text = print_text();
	ck_assert_str_eq(text, "FAIL: 3 stale reads\n");
	free(text);
	run.result.verdict = VERDICT_INCONCLUSIVE;
	text = print_text();
	ck_assert_str_eq(text, "INCONCLUSIVE: 3 stale reads\n");
	free(text);
}
END_TEST

START_TEST(the_report_says_how_much_of_a_schedule_was_repeated)
{
	make_replay();
	char *text = print_text();
	ck_assert_ptr_nonnull(strstr(text, "\n\n  schedule: 1,003 entries recorded\n"));
	ck_assert_ptr_nonnull(strstr(text,
				     "\n\n  replay: 900 of 1,000 decisions followed (800 of "
				     "these slices ended as recorded), 70 more by the policy\n\n"));
	free(text);

	run.result.record_lost = 12345;
	run.result.guest_is_recorded = false;
	run.result.replay.divergences = 2;
	run.result.replay.first_entry = 57;
	run.result.replay.first_pcpu = 1;
	run.result.replay.first_vcpu = 6;
	text = print_text();
	ck_assert_ptr_nonnull(strstr(text, "recorded, the 12,345 that followed lost\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  diverged at entry 57: vCPU 2 of VM 1 did not come "
					   "to pCPU 1; the policy decided until the next phase; "
					   "2 times in all\n"));
	ck_assert_ptr_nonnull(strstr(text, "\n  the guest is not the one that was recorded\n"));
	free(text);
}
END_TEST

START_TEST(slices_that_last_longer_than_asked_for_are_told)
{
	make_run();
	char *text = print_text();
	ck_assert_ptr_nonnull(strstr(text,
				     "slices lasted 7.90 ms on average, asked for were 4.00 ms: "
				     "this host's timers are as coarse as 4.00 ms\n"));
	free(text);
	run.result.timer_ns = 1;
	text = print_text();
	ck_assert_ptr_nonnull(strstr(text, "asked for were 4.00 ms\n"));
	free(text);
	run.result.slices.had_ns = 41000000;
	text = print_text();
	ck_assert_ptr_null(strstr(text, "slices lasted"));
	free(text);
}
END_TEST

START_TEST(the_report_says_what_dirty_tracking_found_and_cost)
{
	make_dirty();
	char *text = print_text();
	ck_assert_ptr_nonnull(strstr(
		text, "\n\n  dirty tracking by ring, every 5.00 ms: 10 harvests of 700 pages, "
		      "1,400 pages/s\n"
		      "  a harvest: p50 40 ns, p99 40 ns, max 40 ns; exits by full rings: 3\n"
		      "  throughput kept: ipi 0.50x\n"
		      "  4,096 pages compared with their harvest, 0 lost\n"));
	free(text);
	json_object *o = parse_json();
	ck_assert_str_eq(json_object_get_string(at(o, "/config/dirty")), "ring");
	ck_assert_int_eq(json_object_array_length(at(o, "/config/shootdown")), 1);
	ck_assert_int_eq(json_object_get_int(at(o, "/dirty/pages_per_s")), 1400);
	ck_assert(json_object_get_double(at(o, "/dirty/throughput_kept/ipi")) == 0.5);
	json_object_put(o);
	make_run();
	text = print_text();
	ck_assert_ptr_null(strstr(text, "dirty"));
	free(text);
}
END_TEST

START_TEST(json_says_how_to_repeat_a_run_and_how_much_was_repeated)
{
	make_run();
	json_object *o = parse_json();
	ck_assert_ptr_null(at(o, "/record"));
	ck_assert_ptr_null(at(o, "/replay"));
	ck_assert_str_eq(json_object_get_string(at(o, "/repeat_command")),
			 "minivmm --vcpus 4 --pcpus 0-1 --seed 18446744073709551615 dir/guest.elf "
			 "-- scenario=storm");
	json_object_put(o);

	make_replay();
	o = parse_json();
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/record/entries")), 1003);
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/replay/followed")), 900);
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/replay/ended_alike")), 800);
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/replay/by_policy")), 70);
	ck_assert_ptr_null(at(o, "/replay/first_divergence"));
	ck_assert_str_eq(json_object_get_string(at(o, "/config/replay")), "old.sched");
	json_object_put(o);

	run.result.replay.divergences = 1;
	run.result.replay.first_vcpu = 6;
	o = parse_json();
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/replay/first_divergence/vm")), 1);
	ck_assert_uint_eq(json_object_get_uint64(at(o, "/replay/first_divergence/vcpu")), 2);
	json_object_put(o);
}
END_TEST

START_TEST(verbose_adds_the_selfcheck_and_each_vcpu)
{
	make_run();
	run.options.verbose = true;
	char *text = print_text();
	ck_assert_ptr_nonnull(strstr(text, "\n  0.1 "));
	ck_assert_ptr_nonnull(strstr(text, "hand-over of a pCPU: 1 times, p50 20.0 us"));
	ck_assert_ptr_nonnull(strstr(text, "sync-regs               flushes\n"));
	free(text);
}
END_TEST

START_TEST(without_figures_there_is_no_table)
{
	make_run();
	run.result.measured = false;
	run.result.verdict = VERDICT_INCONCLUSIVE;
	strcpy(run.result.reason, "the guest left no result");
	char *text = print_text();
	ck_assert_ptr_null(strstr(text, "latency"));
	ck_assert_ptr_nonnull(strstr(text, "\nINCONCLUSIVE: the guest left no result\n"));
	free(text);
}
END_TEST

START_TEST(an_injected_fault_is_named)
{
	make_run();
	run.options.fault = FAULT_lose_flush_bit;
	char *text = print_text();
	ck_assert_ptr_nonnull(strstr(text, "FAULT INJECTED: lose-flush-bit\n"));
	free(text);
}
END_TEST

START_TEST(output_that_cannot_be_written_is_an_error)
{
	struct error err;
	FILE *full = fopen("/dev/full", "w");

	make_run();
	ck_assert_int_eq(report_print_text(full, &run.report, &err), -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "No space left"));
	fclose(full);
}
END_TEST

START_TEST(figures_have_three_digits_that_count)
{
	static const struct {
		uint64_t ns;
		const char *text;
	} times[] = {
		{ 0, "0 ns" },
		{ 999, "999 ns" },
		{ 1000, "1.00 us" },
		{ 9994, "9.99 us" },
		{ 9996, "10.0 us" },
		{ 99940, "99.9 us" },
		{ 99960, "100 us" },
		{ 999400, "999 us" },
		{ 999600, "1.00 ms" },
		{ 4012345, "4.01 ms" },
		{ 2000000000, "2.00 s" },
		{ 999600000, "1.00 s" },
		{ 34000000000, "34.0 s" },
		{ 7200000000000, "7200 s" },
	};
	static const struct {
		double rate;
		const char *text;
	} rates[] = { { 0, "0.000" },	{ 0.9996, "1.00" },	    { 12.34, "12.3" },
		      { 99.97, "100" }, { 1234567.8, "1,234,568" }, { NAN, "-" } };
	static const struct {
		uint64_t bytes;
		const char *text;
	} sizes[] = {
		{ 64 << 20, "64M" }, { 1 << 30, "1G" }, { 4097, "4097" }, { 0, "0" }, { 5120, "5K" }
	};

	for (unsigned i = 0; i < COUNT_OF(times); i++)
		ck_assert_str_eq(human_time(times[i].ns).text, times[i].text);
	for (unsigned i = 0; i < COUNT_OF(rates); i++)
		ck_assert_str_eq(human_rate(rates[i].rate).text, rates[i].text);
	for (unsigned i = 0; i < COUNT_OF(sizes); i++)
		ck_assert_str_eq(human_size(sizes[i].bytes).text, sizes[i].text);
	ck_assert_str_eq(human_count(UINT64_MAX).text, "18,446,744,073,709,551,615");
	ck_assert_str_eq(human_ratio(44.06).text, "44.1x");
	ck_assert_str_eq(human_ratio(0.0061).text, "1/164");
	ck_assert_str_eq(human_ratio(1.9e-6).text, "1/526,316");
	ck_assert_str_eq(human_ratio(0).text, "0.0x");
	ck_assert_str_eq(human_ratio(0.2).text, "0.20x");
	ck_assert_str_eq(human_ratio(NAN).text, "-");
	ck_assert_str_eq(human_share(1, 8).text, "12.5%");
	ck_assert_str_eq(human_share(1, 0).text, "-");
}
END_TEST

#define TESTS(X)                                                                \
	X(json_holds_every_figure)                                              \
	X(json_holds_every_word)                                                \
	X(json_says_null_where_there_is_no_number)                              \
	X(an_interrupted_run_is_marked_as_partial)                              \
	X(json_is_as_its_schema_says)                                           \
	X(json_histogram_adds_up_to_the_samples)                                \
	X(the_table_shows_every_figure_in_its_column)                           \
	X(the_report_names_machine_and_configuration_and_ends_with_the_verdict) \
	X(quiet_prints_the_verdict_and_how_to_repeat_a_failure)                 \
	X(the_report_says_how_much_of_a_schedule_was_repeated)                  \
	X(slices_that_last_longer_than_asked_for_are_told)                      \
	X(the_report_says_what_dirty_tracking_found_and_cost)                   \
	X(json_says_how_to_repeat_a_run_and_how_much_was_repeated)              \
	X(verbose_adds_the_selfcheck_and_each_vcpu)                             \
	X(without_figures_there_is_no_table)                                    \
	X(an_injected_fault_is_named)                                           \
	X(output_that_cannot_be_written_is_an_error)                            \
	X(figures_have_three_digits_that_count)

UNIT_SUITE(report, TESTS)
