/* SPDX-License-Identifier: MIT */
/* A result as a table for people: mechanisms side by side, the verdict last. */
#include "vmm/report/report.h"
#include "vmm/report/report_parts.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "vmm/base/human.h"
#include "vmm/cli/names.h"
#include "vmm/cli/rerun_command.h"

#define SLICES_DIFFER	1.25 /* had over asked for; from here on it is said */
#define COARSE_TIMER_NS 1000
#define DISTURBED_SHARE 0.05 /* of the pCPUs' time; from here on the reader is warned */
#define LABEL_WIDTH	26
#define COLUMN_WIDTH	14

const char *report_verdict_name(enum verdict verdict)
{
	switch (verdict) {
	case VERDICT_PASS:
		return "pass";
	case VERDICT_FAIL:
		return "fail";
	case VERDICT_INTERRUPTED:
		return "interrupted";
	case VERDICT_INCONCLUSIVE:
		break;
	}
	return "inconclusive";
}

double report_ratio(double of, double to)
{
	return to == 0 ? NAN : of / to;
}

/* ---- the rows: what is shown of each mechanism ------------------------------------ */

typedef const struct mechanism_result *mechanism;

static struct human quantile(const struct mv_hist *h, uint32_t ppm)
{
	struct human none = { "-" };

	return h->count ? human_time(mv_hist_quantile(h, ppm)) : none;
}

/* Defines what a row shows of mechanism m. */
#define CELL(name, figure)                    \
	static struct human name(mechanism m) \
	{                                     \
		return figure;                \
	}

CELL(shootdowns, human_count(m->n.shootdowns))
CELL(latency_p50, quantile(&m->latency, PPM_P50))
CELL(latency_p99, quantile(&m->latency, PPM_P99))
CELL(latency_p999, quantile(&m->latency, PPM_P999))
CELL(latency_max, quantile(&m->latency, 1000000))
CELL(net_latency_p50, quantile(&m->latency_net, PPM_P50))
CELL(net_latency_p99, quantile(&m->latency_net, PPM_P99))
CELL(pte_write_p50, quantile(&m->pte_write, PPM_P50))
CELL(local_flush_p50, quantile(&m->local_flush, PPM_P50))
CELL(ipis_sent, human_count(m->n.ipis_sent))
CELL(flushes_deferred, human_count(m->n.flushes_deferred))
CELL(targets_preempted, human_share(m->n.targets_preempted, m->n.targets))
CELL(throughput, human_rate(m->throughput_per_s))
CELL(stale_reads, human_count(m->n.stale_reads))

static const struct row {
	const char *label;
	struct human (*cell)(mechanism m);
} rows[] = {
	{ "shootdowns", shootdowns },
	{ "latency p50", latency_p50 },
	{ "latency p99", latency_p99 },
	{ "latency p99.9", latency_p999 },
	{ "latency max", latency_max },
	{ "net of own steal, p50", net_latency_p50 },
	{ "net of own steal, p99", net_latency_p99 },
	{ "PTE write p50", pte_write_p50 },
	{ "local flush p50", local_flush_p50 },
	{ "IPIs sent", ipis_sent },
	{ "flushes deferred", flushes_deferred },
	{ "targets preempted at send", targets_preempted },
	{ "throughput", throughput },
	{ "stale reads", stale_reads },
};
#define NR_ROWS (sizeof(rows) / sizeof(rows[0]))

/* ---- the ratios: each further mechanism over the first ------------------------------- */

static double throughput_ratio(mechanism of, mechanism to)
{
	return report_ratio(of->throughput_per_s, to->throughput_per_s);
}

static double quantile_ratio(mechanism of, mechanism to, uint32_t ppm)
{
	return report_ratio((double)mv_hist_quantile(&of->latency, ppm),
			    (double)mv_hist_quantile(&to->latency, ppm));
}

static double p50_ratio(mechanism of, mechanism to)
{
	return quantile_ratio(of, to, PPM_P50);
}

static double p99_ratio(mechanism of, mechanism to)
{
	return quantile_ratio(of, to, PPM_P99);
}

static const struct ratio_row {
	const char *label;
	double (*ratio)(mechanism of, mechanism to);
} ratio_rows[] = {
	{ "throughput", throughput_ratio },
	{ "latency p50", p50_ratio },
	{ "latency p99", p99_ratio },
};
#define NR_RATIO_ROWS (sizeof(ratio_rows) / sizeof(ratio_rows[0]))

/* ---- printing --------------------------------------------------------------------------- */

static void print_machine(FILE *out, const struct host_info *host)
{
	fprintf(out, "minivmm %s on %s, %u CPU%s, %s, %s\n", host->minivmm_version, host->cpu_model,
		host->online_cpus, host->online_cpus == 1 ? "" : "s", host->kernel,
		host->kvm_module);
	if (host->emulator[0] && strcmp(host->emulator, "none") != 0)
		fprintf(out, "emulated by %s, %s: times are the emulator's\n", host->emulator,
			host->paging);
}

static void print_asked_slices(FILE *out, const struct options *o)
{
	fprintf(out, ", slice %s", human_time(o->slice_ns).text);
	if (o->slice_jitter_pct)
		fprintf(out, " +-%u%%", o->slice_jitter_pct);
	if (o->slice_alignment != SLICES_independent)
		fprintf(out, " %s", slice_alignment_names.name[o->slice_alignment]);
}

static void print_config(FILE *out, const struct report *report)
{
	const struct options *o = report->options;
	const struct run_result *result = report->result;
	char cpus[64];

	cpu_list_format(&o->pcpus, cpus, sizeof(cpus));
	if (result->scenario[0])
		fprintf(out, "%s, ", result->scenario);
	if (o->nr_vms > 1)
		fprintf(out, "%u VMs of ", o->nr_vms);
	fprintf(out, "%u vCPUs : %u pCPUs (%s), memory %s", o->nr_vcpus, o->pcpus.nr, cpus,
		human_size(o->mem_bytes).text);
	if (!o->sched->is_hosts)
		print_asked_slices(out, o);
	if (o->grace_ns)
		fprintf(out, ", grace %s", human_time(o->grace_ns).text);
	if (o->background.per_cpu)
		fprintf(out, ", %u busy on each pCPU", o->background.per_cpu);
	if (o->background.per_cpu && o->background.has_nice)
		fprintf(out, " (nice %d)", o->background.nice);
	if (o->mark_exits)
		fputs(", exits marked", out);
	fprintf(out, ", %s\nflush via %s, seed %" PRIu64, o->sched->name,
		result->flush_via ? result->flush_via : "nothing", o->seed);
	if (o->fault != FAULT_none)
		fprintf(out, ", FAULT INJECTED: %s", fault_names.name[o->fault]);
	fputc('\n', out);
}

static void print_label(FILE *out, const char *label, const char *unit)
{
	char text[LABEL_WIDTH + MV_NAME_BYTES];

	snprintf(text, sizeof(text), "%s%s%s", label, *unit ? ", " : "", unit);
	fprintf(out, "  %-*s", LABEL_WIDTH, text);
}

static void print_table(FILE *out, const struct run_result *result)
{
	char unit[MV_NAME_BYTES + 2];

	snprintf(unit, sizeof(unit), "%s/s", result->ops_unit[0] ? result->ops_unit : "ops");
	fprintf(out, "\n  %-*s", LABEL_WIDTH, "");
	for (unsigned i = 0; i < result->nr_mechanisms; i++)
		fprintf(out, "%*s", COLUMN_WIDTH, result->mechanism[i].name);
	fputc('\n', out);
	for (unsigned r = 0; r < NR_ROWS; r++) {
		print_label(out, rows[r].label, rows[r].cell == throughput ? unit : "");
		for (unsigned i = 0; i < result->nr_mechanisms; i++)
			fprintf(out, "%*s", COLUMN_WIDTH, rows[r].cell(&result->mechanism[i]).text);
		fputc('\n', out);
	}
}

/* Below the columns that they compare; the first has nothing to be compared with. */
static void print_ratios(FILE *out, const struct run_result *result)
{
	char heading[MV_NAME_BYTES + 16];

	snprintf(heading, sizeof(heading), "relative to %s", result->mechanism[0].name);
	fprintf(out, "\n  %-*s%*s", LABEL_WIDTH, heading, COLUMN_WIDTH, "");
	for (unsigned i = 1; i < result->nr_mechanisms; i++)
		fprintf(out, "%*s", COLUMN_WIDTH, result->mechanism[i].name);
	fputc('\n', out);
	for (unsigned r = 0; r < NR_RATIO_ROWS; r++) {
		fprintf(out, "  %-*s%*s", LABEL_WIDTH, ratio_rows[r].label, COLUMN_WIDTH, "");
		for (unsigned i = 1; i < result->nr_mechanisms; i++) {
			double ratio = ratio_rows[r].ratio(&result->mechanism[i],
							   &result->mechanism[0]);
			fprintf(out, "%*s", COLUMN_WIDTH, human_ratio(ratio).text);
		}
		fputc('\n', out);
	}
}

void report_print_selfcheck(FILE *out, const struct selfcheck *check)
{
	static const char *const prim_name[] = {
#define X(id, name, summary) name,
		FLUSH_PRIMS(X)
#undef X
	};
	static const char *const proof_text[] = {
		[PROOF_NONE] = "not tried",
		[PROOF_FLUSHES] = "flushes",
		[PROOF_FAILS] = "does not flush",
		[PROOF_NO_STALE] = "unproven: nothing went stale",
	};

	fprintf(out, "\n  self-check: resume without a flush %s\n",
		human_time(check->plain_resume_ns).text);
	for (unsigned i = 0; i < NR_FLUSH_PRIMS; i++) {
		fprintf(out, "    %-*s%s", LABEL_WIDTH - 2, prim_name[i],
			proof_text[check->proof[i]]);
		if (check->resume_ns[i])
			fprintf(out, ", resume %s", human_time(check->resume_ns[i]).text);
		fputc('\n', out);
	}
}

static void print_sandbox(FILE *out, const char *missing)
{
	fprintf(out, "\n  sandbox: %s%s\n", missing ? "none, " : "only the run loop's system calls",
		missing ? missing : "");
}

static void print_handover(FILE *out, const struct mv_hist *h)
{
	fprintf(out, "\n  hand-over of a pCPU: %s times, p50 %s, p99 %s, max %s\n",
		human_count(h->count).text, quantile(h, PPM_P50).text, quantile(h, PPM_P99).text,
		quantile(h, 1000000).text);
}

static void print_vcpus(FILE *out, const struct run_result *result)
{
	fprintf(out, "\n  %-12s%10s%12s%12s%12s%12s%10s%10s\n", "vCPU", "slices", "preempted",
		"ran", "stolen", "halted", "exits", "flushes");
	for (unsigned i = 0; i < result->nr_vcpus; i++) {
		const struct vcpu_result *v = &result->vcpu[i];
		char name[24];

		snprintf(name, sizeof(name), "%u.%u", v->vm, v->index);
		fprintf(out, "  %-12s%10s%12s%12s%12s%12s%10s%10s\n", name,
			human_count(v->host.slices).text, human_count(v->host.preemptions).text,
			human_time(v->host.run_ns).text, human_time(v->host.steal_ns).text,
			human_time(v->host.halted_ns).text, human_count(v->host.exits).text,
			human_count(v->host.flushes).text);
	}
}

/*
 * What the host saw of a guest that has its own kernel: marks, how often a flush was asked
 * for when a mark was taken back, flushes, and exits by reason.
 */
static void print_host_view(FILE *out, const struct report *report)
{
	const struct run_result *result = report->result;

	fprintf(out, "\n  PV_TLB_FLUSH is %s the guest%s\n",
		report->options->mechanism[0] == MECHANISM_pv ? "offered to" : "hidden from",
		report->options->nr_vms > 1 ? "s" : "");
	fprintf(out, "\n  %-8s%10s%12s%10s%12s%10s%10s%10s%10s%10s%10s\n", "vCPU", "marks",
		"deferred", "flushes", "stolen", "halts", "exits", "kicks", "I/O", "MMIO", "MSR");
	for (unsigned i = 0; i < result->nr_vcpus; i++) {
		const struct vcpu_result *v = &result->vcpu[i];
		const struct vcpu_stats *n = &v->host;
		char name[24];

		snprintf(name, sizeof(name), "%u.%u", v->vm, v->index);
		fprintf(out, "  %-8s%10s%12s%10s%12s%10s%10s%10s%10s%10s%10s\n", name,
			human_count(n->marks).text, human_count(n->flush_requests).text,
			human_count(n->flushes).text, human_time(n->steal_ns).text,
			human_count(n->halts).text, human_count(n->exits).text,
			human_count(n->exits_kick).text, human_count(n->exits_io).text,
			human_count(n->exits_mmio).text, human_count(n->exits_msr).text);
	}
}

static uint64_t oracle_reads(const struct run_result *result)
{
	uint64_t reads = 0;

	for (unsigned i = 0; i < result->nr_mechanisms; i++)
		reads += result->mechanism[i].n.oracle_reads;
	return reads;
}

static void print_verdict(FILE *out, const struct run_result *result)
{
	switch (result->verdict) {
	case VERDICT_PASS:
		if (result->measured)
			fprintf(out, "PASS: %s translations checked, none stale\n",
				human_count(oracle_reads(result)).text);
		else
			fputs("PASS: the guest ended with success and left no results\n", out);
		break;
	case VERDICT_FAIL:
		fprintf(out, "FAIL: %s\n", result->reason);
		break;
	case VERDICT_INCONCLUSIVE:
		fprintf(out, "INCONCLUSIVE: %s\n", result->reason);
		break;
	case VERDICT_INTERRUPTED:
		fprintf(out, "INTERRUPTED by %s: the figures are partial\n",
			strsignal(result->signal));
		break;
	}
}

/* A figure taken on a machine that had other work to do says little about the protocol. */
static void print_disturbance(FILE *out, const struct report *report)
{
	double share = report->result->host_took_share;

	if (share > DISTURBED_SHARE)
		fprintf(out,
			"\n  disturbed: the host spent %.0f%% of the pCPUs' time on other work\n",
			share * 100);
	else if (report->options->verbose)
		fprintf(out, "\n  the host spent %.1f%% of the pCPUs' time on other work\n",
			share * 100);
}

/* The host's timers may be coarse (highres=off: as coarse as its ticks), or its CPUs busy. */
static void print_slices(FILE *out, const struct report *report)
{
	const struct slice_sums *s = &report->result->slices;
	bool differ = s->nr && (double)s->had_ns > SLICES_DIFFER * (double)s->asked_ns;

	if (!s->nr || (!differ && !report->options->verbose))
		return;
	fprintf(out, "\n  slices lasted %s on average, asked for were %s",
		human_time(s->had_ns / s->nr).text, human_time(s->asked_ns / s->nr).text);
	if (differ && report->result->timer_ns > COARSE_TIMER_NS)
		fprintf(out, ": this host's timers are as coarse as %s",
			human_time(report->result->timer_ns).text);
	fputc('\n', out);
}

/* Each mechanism beside itself without tracking. */
static void print_kept(FILE *out, const struct report *report)
{
	const struct options *o = report->options;
	const struct mechanism_result *m = report->result->mechanism;

	fputs("  throughput kept:", out);
	for (unsigned i = 0; i < o->nr_tracked; i++)
		fprintf(out, "%s %s %s", i ? "," : "", m[i].name,
			human_ratio(report_ratio(m[o->nr_tracked + i].throughput_per_s,
						 m[i].throughput_per_s))
				.text);
	fputc('\n', out);
}

static void print_dirty(FILE *out, const struct report *report)
{
	const struct options *o = report->options;
	const struct dirty_counts *n = &report->result->dirty;

	if (o->nr_tracked == 0)
		return;
	fprintf(out, "\n  dirty tracking by %s, every %s: %s harvests of %s pages, %s pages/s\n",
		dirty_names.name[o->dirty], human_time(o->dirty_every_ns).text,
		human_count(n->harvests).text, human_count(n->pages).text,
		human_rate(report_ratio((double)n->pages * 1e9, (double)n->tracked_ns)).text);
	fprintf(out, "  a harvest: p50 %s, p99 %s, max %s; exits by full rings: %s\n",
		quantile(&n->harvest, PPM_P50).text, quantile(&n->harvest, PPM_P99).text,
		quantile(&n->harvest, 1000000).text, human_count(n->ring_full_exits).text);
	print_kept(out, report);
	fprintf(out, "  %s pages compared with their harvest, %s lost\n",
		human_count(n->pages_checked).text, human_count(n->pages_lost).text);
}

static void print_trace(FILE *out, const struct report *report)
{
	const struct trace_counts *n = &report->result->trace;

	if (!report->options->trace_path)
		return;
	fprintf(out, "\n  trace: %s events recorded, %s lost", human_count(n->recorded).text,
		human_count(n->lost).text);
	if (n->cut)
		fprintf(out, ", %s left out with them", human_count(n->cut).text);
	if (n->invalid)
		fprintf(out, ", %s made no sense", human_count(n->invalid).text);
	fputc('\n', out);
}

static void print_record(FILE *out, const struct report *report)
{
	const struct run_result *result = report->result;

	if (!report->options->record_path)
		return;
	fprintf(out, "\n  schedule: %s entries recorded", human_count(result->recorded).text);
	if (result->record_lost)
		fprintf(out, ", the %s that followed lost", human_count(result->record_lost).text);
	fputc('\n', out);
}

static void print_divergence(FILE *out, const struct options *o, const struct replay_counts *n)
{
	fprintf(out,
		"  diverged at entry %zu: vCPU %u of VM %u did not come to pCPU %u; the policy "
		"decided until the next phase",
		n->first_entry, n->first_vcpu % o->nr_vcpus, n->first_vcpu / o->nr_vcpus,
		n->first_pcpu);
	if (n->divergences > 1)
		fprintf(out, "; %s times in all", human_count(n->divergences).text);
	fputc('\n', out);
}

static void print_replay(FILE *out, const struct report *report)
{
	const struct replay_counts *n = &report->result->replay;

	if (!report->options->replay_path)
		return;
	fprintf(out,
		"\n  replay: %s of %s decisions followed (%s of these slices ended as recorded), "
		"%s more by the policy\n",
		human_count(n->followed).text, human_count(n->decisions).text,
		human_count(n->ended_alike).text, human_count(n->by_policy).text);
	if (n->divergences)
		print_divergence(out, report->options, n);
	if (!report->result->guest_is_recorded)
		fputs("  the guest is not the one that was recorded\n", out);
}

/* Before the verdict, which stays the last line. */
static void print_repeat_command(FILE *out, const struct report *report)
{
	if (report->result->verdict != VERDICT_FAIL || report->result->usage)
		return;
	fputs("repeat with: ", out);
	rerun_command_print(out, report->options);
	fputc('\n', out);
}

static void print_details(FILE *out, const struct report *report)
{
	const struct run_result *result = report->result;

	print_machine(out, report->host);
	print_config(out, report);
	if (report->options->verbose) {
		report_print_selfcheck(out, &result->selfcheck);
		print_sandbox(out, result->sandbox_missing);
	}
	if (result->measured) {
		print_table(out, result);
		if (result->nr_mechanisms > 1)
			print_ratios(out, result);
	}
	if (result->leads_itself)
		print_host_view(out, report);
	if (report->options->verbose) {
		print_vcpus(out, result);
		print_handover(out, &result->handover);
	}
	print_dirty(out, report);
	print_trace(out, report);
	print_record(out, report);
	print_replay(out, report);
	print_disturbance(out, report);
	print_slices(out, report);
	fputc('\n', out);
}

int report_print_text(FILE *out, const struct report *report, struct error *err)
{
	if (!report->options->quiet)
		print_details(out, report);
	print_repeat_command(out, report);
	print_verdict(out, report->result);
	if (fflush(out) == EOF || ferror(out))
		return error_set_errno(err, EXIT_HOST, errno, "the result could not be printed");
	return 0;
}
