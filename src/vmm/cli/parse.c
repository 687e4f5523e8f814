/* SPDX-License-Identifier: MIT */
/* Numbers, sizes, times and lists as a user writes them. */
#include "vmm/cli/parse.h"

#include <string.h>

static const char TOO_BIG[] = "is too big";

/*
 * Reads decimal digits and moves *text behind them. Unlike strtoull() it knows
 * no sign, no blanks and no locale.
 */
static const char *read_digits(const char **text, uint64_t *ret_number)
{
	const char *c = *text;
	uint64_t number = 0;

	if (*c < '0' || *c > '9')
		return "is not a number";
	for (; *c >= '0' && *c <= '9'; c++) {
		if (__builtin_mul_overflow(number, 10, &number) ||
		    __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number))
			return TOO_BIG;
	}
	*text = c;
	*ret_number = number;
	return NULL;
}

const char *parse_number(const char *text, uint64_t *ret_number)
{
	uint64_t number;
	const char *why = read_digits(&text, &number);

	if (why)
		return why;
	if (*text)
		return "is not a number";
	*ret_number = number;
	return NULL;
}

struct unit {
	const char *name;
	uint64_t factor;
};

static const struct unit *find_unit(const struct unit *unit, const char *name)
{
	for (; unit->name; unit++) {
		if (strcmp(unit->name, name) == 0)
			return unit;
	}
	return NULL;
}

/* A number and a unit; `bad_unit` is what to say if there is no such unit. */
static const char *parse_quantity(const char *text, const struct unit *units, const char *bad_unit,
				  uint64_t *ret_value)
{
	uint64_t number, value;
	const char *why = read_digits(&text, &number);

	if (why)
		return why == TOO_BIG ? why : bad_unit;
	const struct unit *unit = find_unit(units, text);
	if (!unit)
		return bad_unit;
	if (__builtin_mul_overflow(number, unit->factor, &value))
		return TOO_BIG;
	*ret_value = value;
	return NULL;
}

const char *parse_size(const char *text, uint64_t *ret_bytes)
{
	static const struct unit units[] = {
		{ "", 1 },	  { "K", 1 << 10 }, { "k", 1 << 10 }, { "M", 1 << 20 },
		{ "m", 1 << 20 }, { "G", 1 << 30 }, { "g", 1 << 30 }, { NULL, 0 },
	};

	return parse_quantity(text, units, "is not a size: write bytes, or a unit as in 64M or 1G",
			      ret_bytes);
}

const char *parse_time(const char *text, uint64_t *ret_ns)
{
	static const struct unit units[] = {
		{ "ns", 1 },	     { "us", 1000 },	   { "ms", 1000000 },
		{ "s", 1000000000 }, { "m", 60000000000 }, { "h", 3600000000000 },
		{ NULL, 0 },
	};
	uint64_t number;

	if (!parse_number(text, &number))
		return "is a time without a unit: add ns, us, ms, s, m or h, as in 4ms";
	return parse_quantity(text, units,
			      "is not a time: write a number and ns, us, ms, s, m or h, as in 4ms",
			      ret_ns);
}

const char *parse_percent(const char *text, uint64_t *ret_pct)
{
	static const struct unit units[] = { { "", 1 }, { "%", 1 }, { NULL, 0 } };

	return parse_quantity(text, units, "is not a share in percent: write a number, as in 25",
			      ret_pct);
}

/* One element of a CPU list, "3" or "0-1", added to the list. */
static const char *read_cpu_range(const char **text, struct cpu_list *cpus)
{
	uint64_t first, last;

	if (read_digits(text, &first))
		return "is not a list of CPUs: write numbers and ranges, as in 0-1,3";
	last = first;
	if (**text == '-') {
		++*text;
		if (read_digits(text, &last))
			return "has a range without an end: write it as in 0-1";
	}
	if (last < first)
		return "has a range that runs backwards";
	if (last > INT32_MAX)
		return "has a CPU number that is too big";
	if (last - first >= MAX_PCPUS - cpus->nr)
		return "names too many CPUs: 256 are the most";
	for (uint64_t cpu = first; cpu <= last; cpu++)
		cpus->cpu[cpus->nr++] = (int)cpu;
	return NULL;
}

const char *parse_cpu_list(const char *text, struct cpu_list *ret_cpus)
{
	struct cpu_list cpus = { 0 };
	const char *why = read_cpu_range(&text, &cpus);

	while (!why && *text == ',') {
		text++;
		why = read_cpu_range(&text, &cpus);
	}
	if (why)
		return why;
	if (*text)
		return "is not a list of CPUs: write numbers and ranges, as in 0-1,3";
	*ret_cpus = cpus;
	return NULL;
}

const char *parse_word_list(const char *text, struct word_list *ret_words)
{
	struct word_list words = { 0 };

	for (;;) {
		size_t length = strcspn(text, ",");

		if (length == 0)
			return "has an empty name in it: write names with commas between them";
		if (words.nr == PARSE_WORDS)
			return "has too many names in it";
		size_t kept = length < PARSE_WORD_BYTES ? length : PARSE_WORD_BYTES - 1;
		memcpy(words.word[words.nr++], text, kept);
		text += length;
		if (!*text)
			break;
		text++;
	}
	*ret_words = words;
	return NULL;
}

/* "5" or "-5". */
static const char *parse_nice(const char *text, int *ret_nice)
{
	bool negative = *text == '-';
	uint64_t number;

	if (parse_number(text + negative, &number) || number > (negative ? -NICE_MIN : NICE_MAX))
		return "has no nice value behind its colon: give -20 to 19, as in 1:10";
	*ret_nice = negative ? -(int)number : (int)number;
	return NULL;
}

const char *parse_background(const char *text, struct background_load *ret_load)
{
	struct background_load load = { 0 };
	uint64_t threads;
	const char *why = read_digits(&text, &threads);

	if (why || (*text && *text != ':'))
		return "is not a load: give busy threads for each pCPU, and their nice value if it "
		       "matters, as in 1 or 1:10";
	if (threads > BACKGROUND_MAX)
		return "is out of range: give 0 to 64 busy threads for each pCPU";
	load.per_cpu = (unsigned)threads;
	load.has_nice = *text == ':';
	why = load.has_nice ? parse_nice(text + 1, &load.nice) : NULL;
	if (!why)
		*ret_load = load;
	return why;
}
