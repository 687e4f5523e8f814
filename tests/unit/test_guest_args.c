/* SPDX-License-Identifier: MIT */
/* The words that the guest is given: what they set, and what it says to wrong ones. */
#include "unit.h"

#include <stdio.h>

#include "guest-kernel/scenarios/args.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest_double.h"

START_TEST(without_words_everything_is_as_the_catalog_says)
{
	struct params params;

	args_parse("", &params);
	ck_assert_ptr_eq(params.scenario, &scenario_storm);
#define X(key, least, most, standard, summary) ck_assert_uint_eq(params.key, standard);
	MV_NUMBERS(X)
#undef X
#define X(key, first, second, summary) ck_assert_uint_eq(params.key, PARAM_##key##_##first);
	MV_CHOICES(X)
#undef X
}
END_TEST

START_TEST(every_number_is_taken_up_to_its_limits)
{
	struct params params;
	char word[64];

#define X(key, least, most, standard, summary)                                   \
	snprintf(word, sizeof(word), #key "=%llu", (unsigned long long)(least)); \
	args_parse(word, &params);                                               \
	ck_assert_uint_eq(params.key, least);                                    \
	snprintf(word, sizeof(word), #key "=%llu", (unsigned long long)(most));  \
	args_parse(word, &params);                                               \
	ck_assert_uint_eq(params.key, most);
	MV_NUMBERS(X)
#undef X
}
END_TEST

START_TEST(every_number_beyond_its_limits_is_refused)
{
	struct params params;
	char word[64];

#define X(key, least, most, standard, summary)                            \
	snprintf(word, sizeof(word), #key "=%llu", (most) + 1ull);        \
	ck_assert(GUEST_EXITS(args_parse(word, &params)));                \
	if (least) {                                                      \
		snprintf(word, sizeof(word), #key "=%d", (int)(least)-1); \
		ck_assert(GUEST_EXITS(args_parse(word, &params)));        \
	}
	MV_NUMBERS(X)
#undef X
}
END_TEST

START_TEST(every_scenario_and_word_is_taken)
{
	struct params params;

#define X(id, scenario_name, summary)                   \
	args_parse("scenario=" scenario_name, &params); \
	ck_assert_ptr_eq(params.scenario, &scenario_##id);
	MV_SCENARIOS(X)
#undef X
#define X(key, first, second, summary)                             \
	args_parse(#key "=" #second, &params);                     \
	ck_assert_uint_eq(params.key, PARAM_##key##_##second);     \
	args_parse(#key "=" #second " " #key "=" #first, &params); \
	ck_assert_uint_eq(params.key, PARAM_##key##_##first);
	MV_CHOICES(X)
#undef X
}
END_TEST

START_TEST(several_words_are_taken_and_the_last_one_counts)
{
	struct params params;

	args_parse(" scenario=rcu  pages=3 work_us=7 pages=4 ", &params);
	ck_assert_ptr_eq(params.scenario, &scenario_rcu);
	ck_assert_uint_eq(params.pages, 4);
	ck_assert_uint_eq(params.work_us, 7);
}
END_TEST

static const struct {
	const char *words, *says;
} refused[] = {
	{ "pages=513", "guest: pages=513: expected a whole number from 1 to 512\n" },
	{ "pages=0", "guest: pages=0: expected a whole number from 1 to 512\n" },
	{ "pages=-1", "guest: pages=-1: expected a whole number from 1 to 512\n" },
	{ "pages=1x", "guest: pages=1x: expected a whole number from 1 to 512\n" },
	{ "pages=", "guest: pages=: expected a whole number from 1 to 512\n" },
	{ "pages", "guest: pages=: expected a whole number from 1 to 512\n" },
	/* 2^64 + 1, and a number whose end would be lost. */
	{ "pages=18446744073709551617",
	  "guest: pages=18446744073709551617: expected a whole number from 1 to 512\n" },
	{ "pags=3", "guest: unknown parameter \"pags\": did you mean \"pages\"?\n" },
	{ "xyzzy=3", "guest: unknown parameter \"xyzzy\"\n" },
	{ "=3", "guest: unknown parameter \"\"\n" },
	{ "scenario=pin", "guest: unknown scenario \"pin\": did you mean \"ping\"?\n" },
	{ "scenario=", "guest: unknown scenario \"\"\n" },
	{ "flush=ful", "guest: flush=ful: expected invlpg or full\n" },
	{ "flush", "guest: flush=: expected invlpg or full\n" },
	{ "work_us=1 away=home", "guest: away=home: expected borrow or switch\n" },
};

START_TEST(every_mistake_is_named_in_one_line)
{
	struct params params;

	for (unsigned i = 0; i < COUNT_OF(refused); i++) {
		guest_said[0] = '\0';
		ck_assert_msg(GUEST_EXITS(args_parse(refused[i].words, &params)), "%s",
			      refused[i].words);
		ck_assert_str_eq(guest_said, refused[i].says);
		ck_assert_uint_eq(guest_exit_code, MV_EXIT_BAD_ARGS);
	}
}
END_TEST

/* targets=, the number of vCPUs, how many are shot, or what the guest says. */
static const struct {
	uint64_t targets;
	uint32_t nr_vcpus, shot;
	const char *says;
} targets[] = {
	{ 0, 1, 0, NULL },
	{ 0, 4, 3, NULL },
	{ 0, MV_MAX_VCPUS, MV_MAX_VCPUS - 1, NULL },
	{ 1, 4, 1, NULL },
	{ 3, 4, 3, NULL },
	{ 4, 4, 0, "guest: targets=4: each vCPU has only 3 others\n" },
	{ 255, 2, 0, "guest: targets=255: each vCPU has only 1 other\n" },
	{ 1, 1, 0, "guest: targets=1: each vCPU has only 0 others\n" },
};

static bool refuses_targets(const struct params *params, uint32_t nr_vcpus)
{
	return GUEST_EXITS(args_nr_targets(params, nr_vcpus));
}

START_TEST(targets_are_all_others_or_as_many_as_there_are)
{
	for (unsigned i = 0; i < COUNT_OF(targets); i++) {
		const struct params params = { .targets = targets[i].targets };
		uint32_t nr_vcpus = targets[i].nr_vcpus;
		const char *says = targets[i].says;

		guest_said[0] = '\0';
		ck_assert_msg(refuses_targets(&params, nr_vcpus) == (says != NULL), "row %u", i);
		ck_assert_str_eq(guest_said, says ? says : "");
		if (!says)
			ck_assert_uint_eq(args_nr_targets(&params, nr_vcpus), targets[i].shot);
	}
}
END_TEST

#define TESTS(X)                                           \
	X(without_words_everything_is_as_the_catalog_says) \
	X(every_number_is_taken_up_to_its_limits)          \
	X(every_number_beyond_its_limits_is_refused)       \
	X(every_scenario_and_word_is_taken)                \
	X(several_words_are_taken_and_the_last_one_counts) \
	X(every_mistake_is_named_in_one_line)              \
	X(targets_are_all_others_or_as_many_as_there_are)

UNIT_SUITE(guest_args, TESTS)
