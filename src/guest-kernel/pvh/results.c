/* SPDX-License-Identifier: MIT */
/* Results, where nobody reads the result block: printed. */
#include "guest-kernel/pvh/results.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/pvh/serial.h"
#include "guest-kernel/pvh/shared.h"
#include "minivmm/hist.h"

/* Prints one mechanism's counts, of all vCPUs; returns its stale reads. */
static uint64_t print_mechanism(const struct mv_results *results, uint32_t mechanism)
{
	static struct mv_hist latency;
	struct mv_counters sum = { 0 };
	struct line line = { 0 };

	memset(&latency, 0, sizeof(latency));
	for (uint32_t vcpu = 0; vcpu < pvh_boot.nr_vcpus; vcpu++) {
		const struct mv_result *r =
			&results->result[vcpu * pvh_boot.nr_mechanisms + mechanism];

		sum.shootdowns += r->n.shootdowns;
		sum.ipis_sent += r->n.ipis_sent;
		sum.flushes_deferred += r->n.flushes_deferred;
		sum.oracle_reads += r->n.oracle_reads;
		sum.stale_reads += r->n.stale_reads;
		mv_hist_merge(&latency, &r->latency);
	}
	line_add(&line, pvh_boot.mechanism[mechanism]);
	line_add(&line, ":");
	line_add_field(&line, "shootdowns", sum.shootdowns);
	line_add_field(&line, "ipis_sent", sum.ipis_sent);
	line_add_field(&line, "flushes_deferred", sum.flushes_deferred);
	line_add_field(&line, "p50_ns", mv_hist_quantile(&latency, 500000));
	line_add_field(&line, "p99_ns", mv_hist_quantile(&latency, 990000));
	line_add_field(&line, "max_ns", latency.max);
	line_add_field(&line, "oracle_reads", sum.oracle_reads);
	line_add_field(&line, "stale_reads", sum.stale_reads);
	line_print(&line);
	return sum.stale_reads;
}

uint32_t results_print(void)
{
	const struct mv_results *results = (const struct mv_results *)pvh_boot.results_gpa;
	uint64_t stale = 0;

	for (uint32_t i = 0; i < pvh_boot.nr_mechanisms; i++)
		stale += print_mechanism(results, i);
	serial_puts(stale ? "FAIL\n" : "PASS\n");
	return stale ? MV_EXIT_FAILED : MV_EXIT_OK;
}
