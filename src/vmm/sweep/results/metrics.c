/* SPDX-License-Identifier: MIT */
/* The figures that are made of a run and its neighbour. */
#include "vmm/sweep/results/metrics.h"

#include <math.h>
#include <stddef.h>

const char *const metric_name[NR_METRICS] = {
#define OWN(name)	      #name,
#define OF(name, object, key) #name,
	METRICS(OWN, OF)
#undef OF
#undef OWN
};

const char *const figure_name[NR_FIGURES] = {
#define X(name, title) #name,
	FIGURES(X)
#undef X
};

/* A sample that is not there has no values, and what is over nothing is no number. */
static double ratio(const struct sample *of, enum metric metric, const struct sample *to,
		    enum metric to_metric)
{
	if (!of || !to || to->metric[to_metric] == 0)
		return NAN;
	return of->metric[metric] / to->metric[to_metric];
}

#define PLAIN(name)                                                    \
	static double name(const struct sample_context *c)             \
	{                                                              \
		return c->self ? c->self->metric[METRIC_##name] : NAN; \
	}

/* name: metric of the sample over to_metric of another of its context. */
#define RATIO(name, metric, to, to_metric)                                         \
	static double name(const struct sample_context *c)                         \
	{                                                                          \
		return ratio(c->self, METRIC_##metric, c->to, METRIC_##to_metric); \
	}

PLAIN(throughput_per_s)
PLAIN(latency_p50_ns)
PLAIN(latency_p99_ns)
PLAIN(latency_p999_ns)
PLAIN(latency_net_p50_ns)
PLAIN(latency_net_p99_ns)
PLAIN(latency_net_p999_ns)
RATIO(keep, throughput_per_s, self_at_1to1, throughput_per_s)
RATIO(speedup, throughput_per_s, first, throughput_per_s)
RATIO(p99_over_first_at_1to1, latency_p99_ns, first_at_1to1, latency_p99_ns)
RATIO(p999_over_first_at_1to1, latency_p999_ns, first_at_1to1, latency_p999_ns)
RATIO(net_p99_over_first_at_1to1, latency_net_p99_ns, first_at_1to1, latency_net_p99_ns)
RATIO(net_p999_over_first_at_1to1, latency_net_p999_ns, first_at_1to1, latency_net_p999_ns)
RATIO(preempted_share, targets_preempted, self, targets)
RATIO(deferred_share, flushes_deferred, self, targets)
RATIO(raced_share, defers_raced, self, targets)
/* An IPI is spurious if its target's flush was deferred after it had been sent. */
RATIO(spurious_share, rechecks_deferred, self, targets)
RATIO(sender_descheduled_share, sender_descheduled, self, shootdowns)

double figure_of(enum figure figure, const struct sample_context *context)
{
	static double (*const function[NR_FIGURES])(const struct sample_context *c) = {
#define X(name, title) name,
		FIGURES(X)
#undef X
	};

	return function[figure](context);
}
