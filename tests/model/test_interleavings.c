/* SPDX-License-Identifier: MIT */
/* Runs the shipped flag code, and every way to break it, through all interleavings. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "shootdown_model.h"

static const char *const variant_name[] = {
#define X(id, name, summary) name,
	VARIANTS(X)
#undef X
};

static const char *const variant_summary[] = {
#define X(id, name, summary) summary,
	VARIANTS(X)
#undef X
};

static bool check_sound(enum variant variant)
{
	static struct explore_result result;
	const struct explore_model *model = shootdown_model(variant);

	explore(model, &result);
	printf("%s %u - %s code keeps every flush: %u states, the farthest %u steps away\n",
	       result.violation ? "not ok" : "ok", variant + 1u, variant_name[variant],
	       result.nr_states, result.depth);
	if (result.violation)
		explore_print(model, &result);
	return !result.violation;
}

static bool check_broken(enum variant variant)
{
	static struct explore_result result;
	const struct explore_model *model = shootdown_model(variant);

	explore(model, &result);
	printf("%s %u - finds %s\n", result.violation ? "ok" : "not ok", variant + 1u,
	       variant_name[variant]);
	printf("#   broken: %s\n", variant_summary[variant]);
	printf("#   %u states, %u steps\n", result.nr_states, result.depth);
	if (result.violation)
		explore_print(model, &result);
	return result.violation;
}

int main(void)
{
	bool ok = true;

	printf("1..%u\n", NR_VARIANTS);
	for (unsigned v = 0; v < NR_SOUND; v++)
		ok &= check_sound((enum variant)v);
	for (unsigned v = NR_SOUND; v < NR_VARIANTS; v++)
		ok &= check_broken((enum variant)v);
	return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
