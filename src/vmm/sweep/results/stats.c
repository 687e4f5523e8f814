/* SPDX-License-Identifier: MIT */
/* Medians and their bootstrap confidence intervals. */
#include "vmm/sweep/results/stats.h"

#include <math.h>
#include <stdlib.h>

#include "vcpu/base/random.h"

#define CONFIDENCE 0.95

/* A number below `limit`: the upper half of a product, without a division's bias. */
static unsigned random_below(uint64_t *state, unsigned limit)
{
	return (unsigned)((random_next(state) >> 32) * limit >> 32);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static void sort(double *values, unsigned nr)
{
	if (nr > 0) /* an empty array may be NULL, which qsort() must not be given */
		qsort(values, nr, sizeof(*values), compare);
}

double stats_quantile(const double *sorted, unsigned nr, double share)
{
	if (nr == 0)
		return NAN;

	double rank = share * (nr - 1);
	unsigned below = (unsigned)rank;
	unsigned above = below + 1 < nr ? below + 1 : below;

	return sorted[below] + (rank - below) * (sorted[above] - sorted[below]);
}

double stats_median(double *values, unsigned nr)
{
	sort(values, nr);
	return stats_quantile(values, nr, 0.5);
}

static void draw_again(const double *values, unsigned nr, double *ret_draw, uint64_t *state)
{
	for (unsigned i = 0; i < nr; i++)
		ret_draw[i] = values[random_below(state, nr)];
}

/* `draw` has room for nr values, `medians` for one of each resample. */
static void bootstrap(struct interval *i, const double *values, double *draw, double *medians,
		      uint64_t seed)
{
	for (unsigned b = 0; b < BOOTSTRAP_RESAMPLES; b++) {
		draw_again(values, i->nr, draw, &seed);
		medians[b] = stats_median(draw, i->nr);
	}
	sort(medians, BOOTSTRAP_RESAMPLES);
	i->low = stats_quantile(medians, BOOTSTRAP_RESAMPLES, (1 - CONFIDENCE) / 2);
	i->high = stats_quantile(medians, BOOTSTRAP_RESAMPLES, (1 + CONFIDENCE) / 2);
}

static unsigned copy_numbers(const double *values, unsigned nr, double *ret_numbers)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < nr; i++) {
		if (isfinite(values[i]))
			ret_numbers[kept++] = values[i];
	}
	return kept;
}

struct interval stats_interval(const double *values, unsigned nr, uint64_t seed)
{
	struct interval result = { .median = NAN, .low = NAN, .high = NAN };
	double *room = calloc(2 * (size_t)nr + BOOTSTRAP_RESAMPLES, sizeof(*room));

	if (!room)
		abort(); /* a few KiB: there is no going on without them */
	result.nr = copy_numbers(values, nr, room);
	if (result.nr > 0) {
		result.median = stats_median(room, result.nr);
		bootstrap(&result, room, room + nr, room + 2 * (size_t)nr, seed);
	}
	free(room);
	return result;
}
