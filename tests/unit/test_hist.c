/* SPDX-License-Identifier: MIT */
/* The histogram against exact quantiles of the same samples. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "minivmm/hist.h"

#define NR_SAMPLES 20000

/* xorshift64*: the same samples in every run. */
static uint64_t next_random(uint64_t *state)
{
	*state ^= *state >> 12;
	*state ^= *state << 25;
	*state ^= *state >> 27;
	return *state * 0x2545f4914f6cdd1dull;
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

START_TEST(quantiles_are_exact_to_the_width_of_a_bucket)
{
	static const uint32_t ppm[] = { 0,	1,	100000, 500000, 900000,
					990000, 999000, 999999, 1000000 };
	static uint64_t sample[NR_SAMPLES];
	static struct mv_hist h;
	uint64_t state = 42;

	memset(&h, 0, sizeof(h));
	for (unsigned i = 0; i < NR_SAMPLES; i++) {
		/* Evenly over the orders of magnitude, as latencies are. */
		uint64_t random = next_random(&state);
		sample[i] = random >> (24 + random % 40);
		mv_hist_record(&h, sample[i]);
	}
	qsort(sample, NR_SAMPLES, sizeof(sample[0]), compare);
	for (unsigned i = 0; i < COUNT_OF(ppm); i++) {
		uint64_t rank = ((uint64_t)NR_SAMPLES * ppm[i] + 999999) / 1000000;
		uint64_t exact = sample[rank ? rank - 1 : 0];
		uint64_t got = mv_hist_quantile(&h, ppm[i]);

		ck_assert_uint_ge(got, exact);
		ck_assert_uint_le(got, exact + exact / 32);
	}
	ck_assert_uint_eq(h.min, sample[0]);
	ck_assert_uint_eq(h.max, sample[NR_SAMPLES - 1]);
	ck_assert_uint_eq(mv_hist_quantile(&h, 1000000), h.max);
}
END_TEST

START_TEST(buckets_cover_every_value_without_a_gap)
{
	ck_assert_uint_eq(mv_hist_bucket_low(0), 0);
	for (uint32_t i = 0; i < MV_HIST_BUCKETS; i++) {
		ck_assert_uint_eq(mv_hist_bucket(mv_hist_bucket_low(i)), i);
		ck_assert_uint_eq(mv_hist_bucket(mv_hist_bucket_high(i)), i);
		uint64_t low = mv_hist_bucket_low(i);
		ck_assert_uint_le(mv_hist_bucket_high(i) - low, low / 32);
	}
	ck_assert_uint_eq(mv_hist_bucket_high(MV_HIST_BUCKETS - 1), MV_HIST_MAX);
	ck_assert_uint_eq(mv_hist_bucket(UINT64_MAX), MV_HIST_BUCKETS - 1);
}
END_TEST

START_TEST(an_empty_histogram_has_quantiles_of_zero)
{
	static const struct mv_hist empty;

	ck_assert_uint_eq(mv_hist_quantile(&empty, 500000), 0);
	ck_assert_uint_eq(mv_hist_quantile(&empty, 1000000), 0);
}
END_TEST

START_TEST(a_merged_histogram_equals_one_that_saw_all_samples)
{
	static struct mv_hist parts[2], merged, whole;
	uint64_t state = 7;

	for (unsigned i = 0; i < NR_SAMPLES; i++) {
		uint64_t value = next_random(&state) >> 40;
		mv_hist_record(&parts[i % 3 == 0], value);
		mv_hist_record(&whole, value);
	}
	mv_hist_merge(&merged, &parts[0]);
	mv_hist_merge(&merged, &parts[1]);
	ck_assert_mem_eq(&merged, &whole, sizeof(whole));
}
END_TEST

#define TESTS(X)                                        \
	X(quantiles_are_exact_to_the_width_of_a_bucket) \
	X(buckets_cover_every_value_without_a_gap)      \
	X(an_empty_histogram_has_quantiles_of_zero)     \
	X(a_merged_histogram_equals_one_that_saw_all_samples)

UNIT_SUITE(hist, TESTS)
