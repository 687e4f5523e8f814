/* SPDX-License-Identifier: MIT */
/*
 * A latency histogram with logarithmic buckets, as in HdrHistogram: the guest
 * fills it and the host prints it.
 *
 * Values below MV_HIST_LINEAR have a bucket each; above, every power of two is
 * divided into MV_HIST_LINEAR / 2 buckets, so that a bucket is never wider than
 * 1/32 (3.2%) of the values in it. Plain C without a library: the same code
 * runs in ring 3 of the guest, in the VMM and in the unit tests.
 */
#ifndef MINIVMM_HIST_H
#define MINIVMM_HIST_H

#include <stdint.h>

#define MV_HIST_LINEAR	64 /* a power of two */
#define MV_HIST_SHIFT	5  /* log2(MV_HIST_LINEAR / 2) */
#define MV_HIST_BUCKETS 1152
/* The largest value with a bucket of its own: about 18 minutes, in nanoseconds. */
#define MV_HIST_MAX ((1ull << 40) - 1)

struct mv_hist {
	uint64_t count;
	uint64_t sum;
	uint64_t min; /* 0 if count is 0 */
	uint64_t max;
	uint32_t bucket[MV_HIST_BUCKETS];
};

/* The bucket of a value; values above MV_HIST_MAX count as MV_HIST_MAX. */
static inline uint32_t mv_hist_bucket(uint64_t value)
{
	if (value < MV_HIST_LINEAR)
		return (uint32_t)value;
	if (value > MV_HIST_MAX)
		value = MV_HIST_MAX;
	uint32_t shift = 63 - (uint32_t)__builtin_clzll(value) - MV_HIST_SHIFT;
	return shift * (MV_HIST_LINEAR / 2) + (uint32_t)(value >> shift);
}

/* The smallest value that falls into a bucket. */
static inline uint64_t mv_hist_bucket_low(uint32_t bucket)
{
	if (bucket < MV_HIST_LINEAR)
		return bucket;
	uint32_t shift = bucket / (MV_HIST_LINEAR / 2) - 1;
	return (uint64_t)(bucket - shift * (MV_HIST_LINEAR / 2)) << shift;
}

/* The largest value that falls into a bucket. */
static inline uint64_t mv_hist_bucket_high(uint32_t bucket)
{
	return mv_hist_bucket_low(bucket + 1) - 1;
}

static inline void mv_hist_record(struct mv_hist *h, uint64_t value)
{
	h->bucket[mv_hist_bucket(value)]++;
	h->sum += value;
	if (h->count == 0 || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
}

/* Adds the samples of `from` to `into`. */
static inline void mv_hist_merge(struct mv_hist *into, const struct mv_hist *from)
{
	if (from->count == 0)
		return;
	for (uint32_t i = 0; i < MV_HIST_BUCKETS; i++)
		into->bucket[i] += from->bucket[i];
	if (into->count == 0 || from->min < into->min)
		into->min = from->min;
	if (from->max > into->max)
		into->max = from->max;
	into->sum += from->sum;
	into->count += from->count;
}

/*
 * The value below or at which a share of the samples lies; `ppm` is the share
 * in millionths (500000 is the median). Exact to the width of a bucket, never
 * beyond the largest sample; 0 if there are no samples.
 */
static inline uint64_t mv_hist_quantile(const struct mv_hist *h, uint32_t ppm)
{
	/* Rounded up: the rank of the sample asked for, counting from 1. */
	uint64_t whole = h->count / 1000000 * ppm;
	uint64_t part = (h->count % 1000000 * ppm + 999999) / 1000000;
	uint64_t rank = whole + part ? whole + part : 1;
	uint64_t seen = 0;

	for (uint32_t i = 0; i < MV_HIST_BUCKETS; i++) {
		seen += h->bucket[i];
		if (seen < rank || h->bucket[i] == 0)
			continue;
		uint64_t value = mv_hist_bucket_high(i);
		return value < h->max ? value : h->max;
	}
	return h->max;
}

#endif
