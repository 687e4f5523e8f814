/* SPDX-License-Identifier: MIT */
/* A result as JSON, schema minivmm.run/1: docs/json-schema.md describes every member. */
#include "vmm/report/report.h"

#include <stddef.h>
#include <stdlib.h>

#include "vcpu/protocol/flush.h"
#include "vmm/base/json.h"
#include "vmm/cli/names.h"
#include "vmm/cli/rerun_command.h"
#include "vmm/report/report_parts.h"

#define SCHEMA "minivmm.run/1"

/* ---- host and configuration --------------------------------------------------- */

static json_object *kvm_json(const struct host_info *host)
{
	json_object *kvm = json_object_new_object();
	json_object *caps = json_object_new_object();

	json_add_text(kvm, "module", host->kvm_module);
	json_add_text(kvm, "paging", host->paging);
	json_add_u64(kvm, "api_version", (uint64_t)host->kvm_api_version);
#define X(field, capability) json_add_u64(caps, #field, (uint64_t)host->kvm_caps.field);
	HOST_KVM_CAPS(X)
#undef X
	json_add(kvm, "capabilities", caps);
	return kvm;
}

json_object *report_host_json(const struct host_info *host)
{
	json_object *o = json_object_new_object();

	json_add_text(o, "time_utc", host->time_utc);
	json_add_text(o, "minivmm_version", host->minivmm_version);
	json_add_text(o, "cpu_model", host->cpu_model);
	json_add_u64(o, "online_cpus", host->online_cpus);
	json_add_u64(o, "mem_total_bytes", host->mem_total_bytes);
	json_add_text(o, "kernel", host->kernel);
	json_add_text(o, "hypervisor", host->hypervisor);
	json_add_text(o, "emulator", host->emulator);
	json_add(o, "kvm", kvm_json(host));
	json_add_u64(o, "guest_tsc_hz", host->tsc_hz);
	return o;
}

static json_object *cpus_json(const struct cpu_list *cpus)
{
	json_object *list = json_object_new_array();

	for (unsigned i = 0; i < cpus->nr; i++)
		json_object_array_add(list, json_object_new_int(cpus->cpu[i]));
	return json_in_one_line(list);
}

static json_object *hidden_json(uint32_t features)
{
	const char *names[32];
	unsigned nr = 0;

	for (unsigned i = 0; i < feature_names.nr; i++) {
		if (features & feature_bit(i))
			names[nr++] = feature_names.name[i];
	}
	return json_new_names(names, nr);
}

static json_object *config_json(const struct options *options)
{
	json_object *o = json_object_new_object();

	json_add_text(o, "guest", options->guest_path);
	json_add(o, "guest_args", json_new_text(options->guest_args));
	json_add_u64(o, "vcpus", options->nr_vcpus);
	json_add_u64(o, "vms", options->nr_vms);
	json_add(o, "pcpus", cpus_json(&options->pcpus));
	json_add_u64(o, "mem_bytes", options->mem_bytes);
	json_add_u64(o, "slice_ns", options->slice_ns);
	json_add_u64(o, "slice_jitter_pct", options->slice_jitter_pct);
	json_add_text(o, "slice_phase", slice_alignment_names.name[options->slice_alignment]);
	json_add_u64(o, "grace_ns", options->grace_ns);
	json_add_text(o, "sched", options->sched->name);
	json_add_u64(o, "background_threads", options->background.per_cpu);
	if (options->background.has_nice)
		json_add_number(o, "background_nice", options->background.nice);
	else
		json_add_text(o, "background_nice", NULL);
	json_add(o, "shootdown",
		 json_new_names(options->mechanism_label,
				options->nr_mechanisms - options->nr_tracked));
	json_add_text(o, "dirty", dirty_names.name[options->dirty]);
	json_add_u64(o, "dirty_every_ns", options->dirty_every_ns);
	json_add_text(o, "flush_via", flush_prim_names.name[options->flush_via]);
	json_add_bool(o, "mark_exits", options->mark_exits);
	json_add(o, "hide", hidden_json(options->hidden_features));
	json_add_u64(o, "duration_ns", options->duration_ns);
	json_add_u64(o, "count", options->count);
	json_add_u64(o, "seed", options->seed);
	json_add_text(o, "inject", fault_names.name[options->fault]);
	json_add_u64(o, "timeout_ns", options->timeout_ns);
	json_add_text(o, "json", options->json_path);
	json_add_text(o, "record", options->record_path);
	json_add_text(o, "replay", options->replay_path);
	json_add_bool(o, "no_sandbox", options->no_sandbox);
	json_add_bool(o, "quiet", options->quiet);
	json_add_bool(o, "verbose", options->verbose);
	return o;
}

/* ---- the self-check -------------------------------------------------------------- */

static const char *proof_name(enum proof proof)
{
	switch (proof) {
	case PROOF_FLUSHES:
		return "flushes";
	case PROOF_FAILS:
		return "fails";
	case PROOF_NO_STALE:
		return "no-stale-read";
	case PROOF_NONE:
		break;
	}
	return "not-tried";
}

json_object *report_selfcheck_json(const struct selfcheck *check)
{
	static const char *const prim_name[] = {
#define X(id, name, summary) name,
		FLUSH_PRIMS(X)
#undef X
	};
	json_object *o = json_object_new_object();
	json_object *prims = json_object_new_object();

	json_add_bool(o, "exit_alone_flushes", check->exit_alone_flushes);
	json_add_u64(o, "plain_resume_ns", check->plain_resume_ns);
	for (unsigned i = 0; i < NR_FLUSH_PRIMS; i++) {
		json_object *prim = json_object_new_object();

		json_add_text(prim, "proof", proof_name(check->proof[i]));
		json_add_u64(prim, "resume_ns", check->resume_ns[i]);
		json_add(prims, prim_name[i], prim);
	}
	json_add(o, "primitives", prims);
	return o;
}

/* ---- histograms and counters ------------------------------------------------------- */

/* [[low_ns, count], ...]: the buckets that hold samples, each by its smallest value. */
static json_object *buckets_json(const struct mv_hist *h)
{
	json_object *list = json_object_new_array();

	for (uint32_t i = 0; i < MV_HIST_BUCKETS; i++) {
		if (h->bucket[i] == 0)
			continue;
		json_object *pair = json_object_new_array_ext(2);

		json_object_array_add(pair, json_object_new_uint64(mv_hist_bucket_low(i)));
		json_object_array_add(pair, json_object_new_uint64(h->bucket[i]));
		json_object_array_add(list, pair);
	}
	return json_in_one_line(list);
}

static json_object *hist_json(const struct mv_hist *h)
{
	json_object *o = json_object_new_object();

	json_add_u64(o, "samples", h->count);
	json_add_u64(o, "min", h->min);
	json_add_u64(o, "p50", mv_hist_quantile(h, PPM_P50));
	json_add_u64(o, "p90", mv_hist_quantile(h, PPM_P90));
	json_add_u64(o, "p99", mv_hist_quantile(h, PPM_P99));
	json_add_u64(o, "p999", mv_hist_quantile(h, PPM_P999));
	json_add_u64(o, "max", h->max);
	json_add_number(o, "mean", report_ratio((double)h->sum, (double)h->count));
	json_add(o, "histogram", buckets_json(h));
	return o;
}

static void add_counters(json_object *to, const struct mv_counters *n)
{
#define X(name) json_add_u64(to, #name, n->name);
	MV_COUNTED(X)
	MV_FIRST_STALE(X)
#undef X
}

/* ---- results ---------------------------------------------------------------------- */

static json_object *mechanism_json(const struct mechanism_result *m)
{
	json_object *o = json_object_new_object();

	add_counters(o, &m->n);
	json_add_number(o, "throughput_per_s", m->throughput_per_s);
	json_add_number(o, "targets_preempted_share",
			report_ratio((double)m->n.targets_preempted, (double)m->n.targets));
	json_add(o, "latency_ns", hist_json(&m->latency));
	json_add(o, "latency_net_ns", hist_json(&m->latency_net));
	json_add(o, "pte_write_ns", hist_json(&m->pte_write));
	json_add(o, "local_flush_ns", hist_json(&m->local_flush));
	return o;
}

static json_object *mechanisms_json(const struct run_result *result)
{
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < result->nr_mechanisms; i++)
		json_add(o, result->mechanism[i].name, mechanism_json(&result->mechanism[i]));
	return o;
}

static json_object *ratio_json(const struct mechanism_result *of, const struct mechanism_result *to)
{
	json_object *o = json_object_new_object();

	json_add_number(o, "throughput", report_ratio(of->throughput_per_s, to->throughput_per_s));
	json_add_number(o, "latency_p50",
			report_ratio((double)mv_hist_quantile(&of->latency, PPM_P50),
				     (double)mv_hist_quantile(&to->latency, PPM_P50)));
	json_add_number(o, "latency_p99",
			report_ratio((double)mv_hist_quantile(&of->latency, PPM_P99),
				     (double)mv_hist_quantile(&to->latency, PPM_P99)));
	return o;
}

/* {"pv:ipi": {...}}: each further mechanism over the first. */
static json_object *ratios_json(const struct run_result *result)
{
	json_object *o = json_object_new_object();
	char key[2 * MV_NAME_BYTES];

	for (unsigned i = 1; i < result->nr_mechanisms; i++) {
		snprintf(key, sizeof(key), "%s:%s", result->mechanism[i].name,
			 result->mechanism[0].name);
		json_add(o, key, ratio_json(&result->mechanism[i], &result->mechanism[0]));
	}
	return o;
}

static json_object *vcpu_json(const struct run_result *result, const struct vcpu_result *vcpu)
{
	json_object *o = json_object_new_object();
	json_object *host = json_object_new_object();
	json_object *guest = json_object_new_object();

#define X(field, summary) json_add_u64(host, #field, vcpu->host.field);
	VCPU_STATS(X)
#undef X
	for (unsigned i = 0; i < result->nr_mechanisms; i++) {
		json_object *counters = json_object_new_object();

		add_counters(counters, &vcpu->guest[i]);
		json_add(guest, result->mechanism[i].name, counters);
	}
	json_add_u64(o, "vm", vcpu->vm);
	json_add_u64(o, "vcpu", vcpu->index);
	json_add(o, "host", host);
	json_add(o, "guest", guest);
	return o;
}

static json_object *vcpus_json(const struct run_result *result)
{
	json_object *list = json_object_new_array();

	for (unsigned i = 0; i < result->nr_vcpus; i++)
		json_object_array_add(list, vcpu_json(result, &result->vcpu[i]));
	return list;
}

/* {"ipi": 0.9}: each mechanism's throughput with dirty tracking over that without. */
static json_object *kept_json(const struct report *report)
{
	const struct mechanism_result *m = report->result->mechanism;
	unsigned nr = report->options->nr_tracked;
	json_object *o = json_object_new_object();

	for (unsigned i = 0; i < nr; i++)
		json_add_number(o, m[i].name,
				report_ratio(m[nr + i].throughput_per_s, m[i].throughput_per_s));
	return o;
}

static json_object *dirty_json(const struct report *report)
{
	const struct dirty_counts *n = &report->result->dirty;
	json_object *o = json_object_new_object();

	json_add_u64(o, "tracked_ns", n->tracked_ns);
	json_add_u64(o, "harvests", n->harvests);
	json_add_u64(o, "pages", n->pages);
	json_add_number(o, "pages_per_s",
			report_ratio((double)n->pages * 1e9, (double)n->tracked_ns));
	json_add(o, "harvest_ns", hist_json(&n->harvest));
	json_add_u64(o, "copy_ns", n->copy_ns);
	json_add_u64(o, "ring_full_exits", n->ring_full_exits);
	json_add_u64(o, "pages_checked", n->pages_checked);
	json_add_u64(o, "pages_lost", n->pages_lost);
	json_add(o, "throughput_kept", kept_json(report));
	return o;
}

static json_object *trace_json(const struct trace_counts *n)
{
	json_object *o = json_object_new_object();

	json_add_u64(o, "events_recorded", n->recorded);
	json_add_u64(o, "events_lost", n->lost);
	json_add_u64(o, "events_cut", n->cut);
	json_add_u64(o, "events_invalid", n->invalid);
	return o;
}

static json_object *record_json(const struct run_result *result)
{
	json_object *o = json_object_new_object();

	json_add_u64(o, "entries", result->recorded);
	json_add_u64(o, "entries_lost", result->record_lost);
	return o;
}

/* Where the replay diverged first; null if it did not. */
static json_object *divergence_json(const struct options *options, const struct replay_counts *n)
{
	if (n->divergences == 0)
		return NULL;
	json_object *o = json_object_new_object();
	json_add_u64(o, "entry", n->first_entry);
	json_add_u64(o, "pcpu", n->first_pcpu);
	json_add_u64(o, "vm", n->first_vcpu / options->nr_vcpus);
	json_add_u64(o, "vcpu", n->first_vcpu % options->nr_vcpus);
	return o;
}

static json_object *replay_json(const struct report *report)
{
	const struct replay_counts *n = &report->result->replay;
	json_object *o = json_object_new_object();

	json_add_bool(o, "guest_is_recorded", report->result->guest_is_recorded);
	json_add_u64(o, "decisions", n->decisions);
	json_add_u64(o, "followed", n->followed);
	json_add_u64(o, "ended_alike", n->ended_alike);
	json_add_u64(o, "by_policy", n->by_policy);
	json_add_u64(o, "divergences", n->divergences);
	json_add(o, "first_divergence", divergence_json(report->options, n));
	return o;
}

/* Mean lengths of the slices that were ended by force. */
static json_object *slices_json(const struct run_result *result)
{
	const struct slice_sums *s = &result->slices;
	json_object *o = json_object_new_object();

	json_add_u64(o, "ended", s->nr);
	json_add_u64(o, "asked_ns", s->nr ? s->asked_ns / s->nr : 0);
	json_add_u64(o, "had_ns", s->nr ? s->had_ns / s->nr : 0);
	json_add_u64(o, "timer_resolution_ns", result->timer_ns);
	return o;
}

static void add_repeat_command(json_object *to, const struct options *options)
{
	char *command = rerun_command_make(options);

	json_add_text(to, "repeat_command", command);
	free(command);
}

static json_object *report_json(const struct report *report)
{
	const struct run_result *result = report->result;
	json_object *o = json_object_new_object();

	json_add_text(o, "schema", SCHEMA);
	json_add(o, "host", report_host_json(report->host));
	json_add(o, "config", config_json(report->options));
	json_add_text(o, "verdict", report_verdict_name(result->verdict));
	json_add_text(o, "reason", result->reason);
	json_add(o, "signal", result->signal ? json_object_new_int(result->signal) : NULL);
	json_add_bool(o, "partial", result->verdict == VERDICT_INTERRUPTED);
	json_add_bool(o, "measured", result->measured);
	json_add_text(o, "scenario", result->scenario);
	json_add_text(o, "ops_unit", result->ops_unit);
	json_add_text(o, "flush_via", result->flush_via);
	json_add_text(o, "sandbox_missing", result->sandbox_missing);
	json_add_u64(o, "phases", result->phases);
	json_add_u64(o, "started_monotonic_ns", result->started_ns);
	json_add_u64(o, "startup_ns", result->startup_ns);
	json_add_u64(o, "elapsed_ns", result->elapsed_ns);
	json_add_number(o, "host_took_share", result->host_took_share);
	json_add_u64(o, "guest_rss_bytes", result->guest_rss_bytes);
	json_add_u64(o, "vmm_rss_bytes", result->vmm_rss_bytes);
	json_add(o, "handover_ns", hist_json(&result->handover));
	json_add(o, "slices", slices_json(result));
	json_add(o, "dirty", report->options->nr_tracked ? dirty_json(report) : NULL);
	json_add(o, "trace", report->options->trace_path ? trace_json(&result->trace) : NULL);
	json_add(o, "record", report->options->record_path ? record_json(result) : NULL);
	json_add(o, "replay", report->options->replay_path ? replay_json(report) : NULL);
	add_repeat_command(o, report->options);
	json_add(o, "selfcheck", report_selfcheck_json(&result->selfcheck));
	json_add(o, "mechanisms", mechanisms_json(result));
	json_add(o, "ratios", ratios_json(result));
	json_add(o, "vcpus", vcpus_json(result));
	return o;
}

char *report_make_json(const struct report *report)
{
	json_object *o = report_json(report);
	char *text = json_print(o);

	json_object_put(o);
	return text;
}
