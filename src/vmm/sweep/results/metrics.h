/* SPDX-License-Identifier: MIT */
/* What is taken over from a run for each of its mechanisms: the columns of the CSV. */
#ifndef SWEEP_METRICS_H
#define SWEEP_METRICS_H

#include "minivmm/abi.h"

/*
 * OWN(name): a member of the mechanism in the run's JSON. OF(name, object, key): a member
 * of an object in it. The name is the column.
 */
#define METRICS(OWN, OF)                              \
	OWN(throughput_per_s)                         \
	OWN(shootdowns)                               \
	OF(latency_p50_ns, latency_ns, p50)           \
	OF(latency_p90_ns, latency_ns, p90)           \
	OF(latency_p99_ns, latency_ns, p99)           \
	OF(latency_p999_ns, latency_ns, p999)         \
	OF(latency_max_ns, latency_ns, max)           \
	OF(latency_net_p50_ns, latency_net_ns, p50)   \
	OF(latency_net_p90_ns, latency_net_ns, p90)   \
	OF(latency_net_p99_ns, latency_net_ns, p99)   \
	OF(latency_net_p999_ns, latency_net_ns, p999) \
	OF(latency_net_max_ns, latency_net_ns, max)   \
	OF(pte_write_p50_ns, pte_write_ns, p50)       \
	OF(local_flush_p50_ns, local_flush_ns, p50)   \
	MV_COUNTED_BY_SHOOTDOWNS(OWN)

enum metric {
#define OWN(name)	      METRIC_##name,
#define OF(name, object, key) METRIC_##name,
	METRICS(OWN, OF)
#undef OF
#undef OWN
		NR_METRICS
};

extern const char *const metric_name[NR_METRICS];

/* One mechanism in one run; NAN where the run does not say. */
struct sample {
	double metric[NR_METRICS];
};

/*
 * X(name, title): what is made of samples and summed up with an interval. Each is a
 * function of one run and, for ratios, of its neighbour; see metrics.c.
 */
#define FIGURES(X)                                                          \
	X(throughput_per_s, "throughput")                                   \
	X(keep, "throughput kept of 1:1")                                   \
	X(speedup, "throughput over the first mechanism")                   \
	X(latency_p50_ns, "latency p50")                                    \
	X(latency_p99_ns, "latency p99")                                    \
	X(latency_p999_ns, "latency p99.9")                                 \
	X(latency_net_p50_ns, "net latency p50")                            \
	X(latency_net_p99_ns, "net latency p99")                            \
	X(latency_net_p999_ns, "net latency p99.9")                         \
	X(p99_over_first_at_1to1, "latency p99 over the first's at 1:1")    \
	X(p999_over_first_at_1to1, "latency p99.9 over the first's at 1:1") \
	X(net_p99_over_first_at_1to1, "net p99 over the first's at 1:1")    \
	X(net_p999_over_first_at_1to1, "net p99.9 over the first's at 1:1") \
	X(preempted_share, "targets preempted at send")                     \
	X(deferred_share, "flushes deferred, of targets")                   \
	X(raced_share, "deferrals raced, of targets")                       \
	X(spurious_share, "spurious IPIs, of targets")                      \
	X(sender_descheduled_share, "shootdowns whose sender lost its pCPU")

enum figure {
#define X(name, title) FIGURE_##name,
	FIGURES(X)
#undef X
		NR_FIGURES
};

extern const char *const figure_name[NR_FIGURES];

/* The samples that a figure may look at; NULL where there is no valid run. */
struct sample_context {
	const struct sample *self;
	const struct sample *first;	    /* of the first mechanism, in the same run */
	const struct sample *self_at_1to1;  /* in the neighbouring run of the 1:1 cell */
	const struct sample *first_at_1to1; /* the same, of the first mechanism */
};

/* NAN where the figure cannot be had. */
double figure_of(enum figure figure, const struct sample_context *context);

#endif
