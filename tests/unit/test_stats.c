/* SPDX-License-Identifier: MIT */
/* Medians and bootstrap intervals, against what is known of distributions. */
#include "unit.h"

#include <math.h>
#include <stdint.h>

#include "vmm/sweep/results/stats.h"

#define SAMPLE 25
#define TRIALS 200

START_TEST(a_median_is_the_middle)
{
	static const struct {
		unsigned nr;
		double values[5];
		double median;
	} table[] = {
		{ 1, { 7 }, 7 },
		{ 2, { 1, 2 }, 1.5 },
		{ 3, { 9, 1, 5 }, 5 },
		{ 4, { 4, 1, 3, 2 }, 2.5 },
		{ 5, { 5, -5, 0, 100, 1 }, 1 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		double values[5];

		for (unsigned j = 0; j < 5; j++)
			values[j] = table[i].values[j];
		ck_assert_double_eq(stats_median(values, table[i].nr), table[i].median);
	}
	ck_assert_double_nan(stats_median(NULL, 0));
}
END_TEST

START_TEST(a_quantile_lies_between_its_neighbours)
{
	static const double sorted[] = { 10, 20, 30, 40, 50 };

	ck_assert_double_eq(stats_quantile(sorted, 5, 0), 10);
	ck_assert_double_eq(stats_quantile(sorted, 5, 1), 50);
	ck_assert_double_eq(stats_quantile(sorted, 5, 0.25), 20);
	ck_assert_double_eq_tol(stats_quantile(sorted, 5, 0.9), 46, 1e-9);
}
END_TEST

START_TEST(an_interval_of_one_value_is_that_value)
{
	static const double one = 3.5;
	struct interval i = stats_interval(&one, 1, 1);

	ck_assert_uint_eq(i.nr, 1);
	ck_assert_double_eq(i.median, one);
	ck_assert_double_eq(i.low, one);
	ck_assert_double_eq(i.high, one);
}
END_TEST

START_TEST(an_interval_of_nothing_is_no_number)
{
	static const double none[] = { NAN, INFINITY, NAN };
	struct interval i = stats_interval(none, COUNT_OF(none), 1);

	ck_assert_uint_eq(i.nr, 0);
	ck_assert_double_nan(i.median);
	ck_assert_double_nan(i.low);
	ck_assert_double_nan(i.high);
}
END_TEST

START_TEST(what_is_no_number_is_left_out)
{
	static const double with[] = { 1, NAN, 2, INFINITY, 3 }, without[] = { 1, 2, 3 };
	struct interval a = stats_interval(with, 5, 9), b = stats_interval(without, 3, 9);

	ck_assert_uint_eq(a.nr, 3);
	ck_assert_double_eq(a.median, b.median);
	ck_assert_double_eq(a.low, b.low);
	ck_assert_double_eq(a.high, b.high);
}
END_TEST

START_TEST(the_same_seed_gives_the_same_interval)
{
	double values[SAMPLE];

	for (unsigned i = 0; i < SAMPLE; i++)
		values[i] = i * i;
	struct interval a = stats_interval(values, SAMPLE, 5),
			b = stats_interval(values, SAMPLE, 5);
	ck_assert_double_eq(a.low, b.low);
	ck_assert_double_eq(a.high, b.high);
}
END_TEST

/* Uniform in (0, 1): a linear congruential generator is random enough to sample with. */
static double uniform(uint64_t *state)
{
	*state = *state * 6364136223846793005ull + 1442695040888963407ull;
	return ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(uint64_t *state)
{
	double u = uniform(state), v = uniform(state);

	return 10 + 2 * sqrt(-2 * log(u)) * cos(2 * 3.14159265358979323846 * v);
}

static double exponential(uint64_t *state)
{
	return -log(uniform(state));
}

/* How many of TRIALS intervals hold the median that the distribution has. */
static unsigned count_hits(double (*draw)(uint64_t *state), double median)
{
	uint64_t state = 1;
	unsigned hits = 0;

	for (unsigned t = 0; t < TRIALS; t++) {
		double values[SAMPLE];

		for (unsigned i = 0; i < SAMPLE; i++)
			values[i] = draw(&state);
		struct interval interval = stats_interval(values, SAMPLE, t);
		hits += interval.low <= median && median <= interval.high;
	}
	return hits;
}

/* 95% of 200 are 190, with a standard deviation of 3; the method is a little off at 25. */
START_TEST(ninety_five_of_a_hundred_intervals_hold_the_median)
{
	static const struct {
		double (*draw)(uint64_t *state);
		double median;
	} table[] = {
		{ uniform, 0.5 },
		{ normal, 10 },
		{ exponential, 0.69314718055994531 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		unsigned hits = count_hits(table[i].draw, table[i].median);

		ck_assert_msg(hits >= 176 && hits < TRIALS, "distribution %u: %u of %u", i, hits,
			      TRIALS);
	}
}
END_TEST

START_TEST(more_values_make_a_narrower_interval)
{
	uint64_t state = 3;
	double values[400];

	for (unsigned i = 0; i < COUNT_OF(values); i++)
		values[i] = normal(&state);
	struct interval few = stats_interval(values, 16, 1), many = stats_interval(values, 400, 1);
	ck_assert_double_lt(many.high - many.low, (few.high - few.low) / 2);
}
END_TEST

/* P(Bin(n, p) >= k), summed from the logarithms of its terms. */
static double binomial_at_least(unsigned n, double p, unsigned k)
{
	double sum = 0;

	for (unsigned i = k; i <= n; i++)
		sum += exp(lgamma(n + 1.0) - lgamma(i + 1.0) - lgamma(n - i + 1.0) + i * log(p) +
			   (n - i) * log1p(-p));
	return sum;
}

/*
 * The share of resamples of 0, 1 ... MANY - 1 whose median is at most `value`: at least half
 * of the MANY draws, which is odd, are.
 */
#define MANY 1001
static double share_of_medians_up_to(double value)
{
	return binomial_at_least(MANY, (value + 1) / MANY, MANY / 2 + 1);
}

/* With 2000 resamples the ends scatter by 0.35%, and the seed fixes them. */
START_TEST(an_interval_leaves_out_two_and_a_half_percent_on_each_side)
{
	double values[MANY];

	for (unsigned i = 0; i < MANY; i++)
		values[i] = i;
	struct interval i = stats_interval(values, MANY, 7);
	ck_assert_double_eq_tol(share_of_medians_up_to(floor(i.low)), 0.025, 0.007);
	ck_assert_double_eq_tol(share_of_medians_up_to(floor(i.high)), 0.975, 0.007);
}
END_TEST

#define TESTS(X)                                              \
	X(a_median_is_the_middle)                             \
	X(a_quantile_lies_between_its_neighbours)             \
	X(an_interval_of_one_value_is_that_value)             \
	X(an_interval_of_nothing_is_no_number)                \
	X(what_is_no_number_is_left_out)                      \
	X(the_same_seed_gives_the_same_interval)              \
	X(ninety_five_of_a_hundred_intervals_hold_the_median) \
	X(more_values_make_a_narrower_interval)               \
	X(an_interval_leaves_out_two_and_a_half_percent_on_each_side)

UNIT_SUITE(stats, TESTS)
