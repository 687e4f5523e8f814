/* SPDX-License-Identifier: MIT */
/* Reads numbers and prints what stats.c makes of them: for test_stats.py to compare. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/sweep/results/stats.h"

#define MAX_VALUES 1000

static unsigned read_values(double values[MAX_VALUES])
{
	unsigned nr = 0;

	while (nr < MAX_VALUES && scanf("%lf", &values[nr]) == 1)
		nr++;
	return nr;
}

int main(void)
{
	double values[MAX_VALUES], sorted[MAX_VALUES];
	unsigned nr = read_values(values);
	struct interval i = stats_interval(values, nr, 1);

	memcpy(sorted, values, sizeof(sorted));
	printf("{\"median\": %.17g", stats_median(sorted, nr));
	printf(", \"low\": %.17g, \"high\": %.17g, \"quantiles\": [", i.low, i.high);
	for (unsigned q = 1; q < 20; q++)
		printf("%s%.17g", q > 1 ? ", " : "", stats_quantile(sorted, nr, q / 20.0));
	puts("]}");
	return EXIT_SUCCESS;
}
