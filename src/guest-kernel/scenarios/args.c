/* SPDX-License-Identifier: MIT */
/* What the user asked the guest for: KEY=VALUE words. */
#include "guest-kernel/scenarios/args.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/scenarios/scenario.h"
#include "guest-kernel/shootdown/fault.h"
#include "minivmm/abi.h"
#include "minivmm/nearest.h"

static const struct number_key {
	const char *name;
	size_t offset; /* in struct params */
	uint64_t min, max;
} number_keys[] = {
#define X(key, min, max, standard, summary) { #key, offsetof(struct params, key), min, max },
	MV_NUMBERS(X)
#undef X
};

static const struct choice_key {
	const char *name;
	size_t offset; /* in struct params */
	const char *word[2];
} choice_keys[] = {
#define X(key, first, second, summary) { #key, offsetof(struct params, key), { #first, #second } },
	MV_CHOICES(X)
#undef X
};

static const char *const keys[] = { "scenario",
#define X(key, ...) #key,
				    MV_NUMBERS(X) MV_CHOICES(X)
#undef X
};

static const struct params defaults = {
#define X(key, min, max, standard, summary) .key = standard,
	MV_NUMBERS(X)
#undef X
};

/* Ends the run: `what` is unknown, and perhaps one of `names` was meant. */
static _Noreturn void refuse_name(const char *what, const char *name, const char *const names[],
				  unsigned nr_names)
{
	const char *nearest = mv_nearest(name, names, nr_names);
	struct line line = { 0 };

	line_add(&line, "guest: unknown ");
	line_add(&line, what);
	line_add(&line, " \"");
	line_add(&line, name);
	line_add(&line, "\"");
	if (nearest) {
		line_add(&line, ": did you mean \"");
		line_add(&line, nearest);
		line_add(&line, "\"?");
	}
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

static _Noreturn void refuse_value(const struct number_key *key, const char *value)
{
	struct line line = { 0 };

	line_add(&line, "guest: ");
	line_add(&line, key->name);
	line_add(&line, "=");
	line_add(&line, value);
	line_add(&line, ": expected a whole number from ");
	line_add_dec(&line, key->min);
	line_add(&line, " to ");
	line_add_dec(&line, key->max);
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

uint64_t args_number(const char *text)
{
	uint64_t value = 0;
	unsigned digits = 0;

	for (; *text; text++) {
		if (*text < '0' || *text > '9' || ++digits > 9)
			return UINT64_MAX;
		value = value * 10 + (uint64_t)(*text - '0');
	}
	return digits ? value : UINT64_MAX;
}

static void set_field(struct params *params, size_t offset, uint64_t value)
{
	*(uint64_t *)((char *)params + offset) = value;
}

static void set_number(struct params *params, const struct number_key *key, const char *text)
{
	uint64_t value = args_number(text);

	if (value < key->min || value > key->max)
		refuse_value(key, text);
	set_field(params, key->offset, value);
}

static _Noreturn void refuse_word(const struct choice_key *key, const char *word)
{
	struct line line = { 0 };

	line_add(&line, "guest: ");
	line_add(&line, key->name);
	line_add(&line, "=");
	line_add(&line, word);
	line_add(&line, ": expected ");
	line_add(&line, key->word[0]);
	line_add(&line, " or ");
	line_add(&line, key->word[1]);
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

static void set_choice(struct params *params, const struct choice_key *key, const char *word)
{
	for (unsigned i = 0; i < ARRAY_SIZE(key->word); i++) {
		if (str_equal(word, key->word[i])) {
			set_field(params, key->offset, i);
			return;
		}
	}
	refuse_word(key, word);
}

static void set_scenario(struct params *params, const char *name)
{
	static const char *const names[] = {
#define X(id, scenario, summary) scenario,
		MV_SCENARIOS(X)
#undef X
	};

	params->scenario = scenario_find(name);
	if (!params->scenario)
		refuse_name("scenario", name, names, ARRAY_SIZE(names));
}

static void set_param(struct params *params, const char *key, const char *value)
{
	if (str_equal(key, "scenario")) {
		set_scenario(params, value);
		return;
	}
	for (unsigned i = 0; i < ARRAY_SIZE(number_keys); i++) {
		if (str_equal(key, number_keys[i].name)) {
			set_number(params, &number_keys[i], value);
			return;
		}
	}
	for (unsigned i = 0; i < ARRAY_SIZE(choice_keys); i++) {
		if (str_equal(key, choice_keys[i].name)) {
			set_choice(params, &choice_keys[i], value);
			return;
		}
	}
	refuse_name("parameter", key, keys, ARRAY_SIZE(keys));
}

char *args_split(char *text, char mark)
{
	while (*text && *text != mark)
		text++;
	if (!*text)
		return text;
	*text = '\0';
	return text + 1;
}

void args_parse(const char *args, struct params *ret_params)
{
	char text[MV_ARGS_BYTES];

	*ret_params = defaults;
	ret_params->scenario = scenario_find(steps.scenario);
	str_copy(text, args, sizeof(text));
	for (char *word = text, *next; *word; word = next) {
		next = args_split(word, ' ');
		if (*word)
			set_param(ret_params, word, args_split(word, '='));
	}
}

static _Noreturn void refuse_targets(uint64_t targets, uint32_t others)
{
	struct line line = { 0 };

	line_add(&line, "guest: targets=");
	line_add_dec(&line, targets);
	line_add(&line, ": each vCPU has only ");
	line_add_dec(&line, others);
	line_add(&line, others == 1 ? " other" : " others");
	line_exit(&line, MV_EXIT_BAD_ARGS);
}

uint32_t args_nr_targets(const struct params *params, uint32_t nr_vcpus)
{
	uint32_t others = nr_vcpus - 1;

	if (params->targets > others)
		refuse_targets(params->targets, others);
	return params->targets ? (uint32_t)params->targets : others;
}
