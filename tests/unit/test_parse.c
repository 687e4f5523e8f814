/* SPDX-License-Identifier: MIT */
/* Numbers, sizes, times and lists: what is understood, and what is refused. */
#include "unit.h"

#include <string.h>

#include "vmm/cli/parse.h"

typedef const char *(*parser)(const char *text, uint64_t *ret);

struct quantity {
	parser parse;
	const char *text;
	uint64_t value;
};

START_TEST(quantities_are_understood)
{
	static const struct quantity table[] = {
		{ parse_number, "0", 0 },
		{ parse_number, "18446744073709551615", UINT64_MAX },
		{ parse_size, "4096", 4096 },
		{ parse_size, "512K", 512 << 10 },
		{ parse_size, "64M", 64 << 20 },
		{ parse_size, "1G", 1 << 30 },
		{ parse_size, "1g", 1 << 30 },
		{ parse_time, "500ns", 500 },
		{ parse_time, "250us", 250000 },
		{ parse_time, "4ms", 4000000 },
		{ parse_time, "2s", 2000000000 },
		{ parse_time, "1m", 60000000000 },
		{ parse_time, "1h", 3600000000000 },
		{ parse_time, "0s", 0 },
		{ parse_percent, "25", 25 },
		{ parse_percent, "25%", 25 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		uint64_t value = 99;
		const char *why = table[i].parse(table[i].text, &value);

		ck_assert_msg(!why, "'%s' %s", table[i].text, why);
		ck_assert_uint_eq(value, table[i].value);
	}
}
END_TEST

START_TEST(what_is_no_quantity_is_refused_and_writes_nothing)
{
	static const struct quantity table[] = {
		{ parse_number, "", 0 },
		{ parse_number, "-1", 0 },
		{ parse_number, "+1", 0 },
		{ parse_number, " 1", 0 },
		{ parse_number, "1 ", 0 },
		{ parse_number, "0x10", 0 },
		{ parse_number, "1.5", 0 },
		{ parse_number, "18446744073709551616", 0 },
		{ parse_number, "99999999999999999999999", 0 },
		{ parse_size, "M", 0 },
		{ parse_size, "64Q", 0 },
		{ parse_size, "64MM", 0 },
		{ parse_size, "17179869184G", 0 },
		{ parse_time, "4", 0 },
		{ parse_time, "ms", 0 },
		{ parse_time, "4 ms", 0 },
		{ parse_time, "4min", 0 },
		{ parse_time, "307445735m", 0 },
		{ parse_percent, "25%%", 0 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		uint64_t value = 99;

		ck_assert_msg(table[i].parse(table[i].text, &value) != NULL,
			      "'%s' was taken for %ju", table[i].text, (uintmax_t)value);
		ck_assert_uint_eq(value, 99);
	}
}
END_TEST

START_TEST(a_time_without_a_unit_gets_a_hint)
{
	uint64_t ns;

	ck_assert_ptr_nonnull(strstr(parse_time("4", &ns), "without a unit"));
}
END_TEST

START_TEST(cpu_lists_keep_their_order)
{
	static const struct {
		const char *text;
		unsigned nr;
		int cpu[8];
		const char *formatted;
	} table[] = {
		{ "0", 1, { 0 }, "0" },
		{ "0-1,3", 3, { 0, 1, 3 }, "0-1,3" },
		{ "5,2-4", 4, { 5, 2, 3, 4 }, "5,2-4" },
		{ "7-7", 1, { 7 }, "7" },
		{ "1,1", 2, { 1, 1 }, "1,1" },
		{ "1,2", 2, { 1, 2 }, "1-2" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct cpu_list cpus;
		char text[64];

		ck_assert_ptr_null(parse_cpu_list(table[i].text, &cpus));
		ck_assert_uint_eq(cpus.nr, table[i].nr);
		ck_assert_mem_eq(cpus.cpu, table[i].cpu, cpus.nr * sizeof(int));
		cpu_list_format(&cpus, text, sizeof(text));
		ck_assert_str_eq(text, table[i].formatted);
	}
}
END_TEST

START_TEST(what_is_no_cpu_list_is_refused)
{
	static const char *const table[] = { "",
					     ",",
					     "0,",
					     ",0",
					     "0-",
					     "-1",
					     "1-0",
					     "a",
					     "0 ,1",
					     "0-1-2",
					     "0;1",
					     "0-256",
					     "0-4294967295",
					     "4294967296",
					     "0-255,300",
					     "99999999999999999999" };

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct cpu_list cpus;

		ck_assert_msg(parse_cpu_list(table[i], &cpus) != NULL, "'%s' was taken", table[i]);
	}
}
END_TEST

START_TEST(a_cpu_list_is_cut_off_where_the_room_ends)
{
	struct cpu_list cpus = { 3, { 10, 20, 30 } };
	char text[6];

	cpu_list_format(&cpus, text, sizeof(text));
	ck_assert_str_eq(text, "10,20");
}
END_TEST

START_TEST(words_are_split_at_commas)
{
	struct word_list words;

	ck_assert_ptr_null(parse_word_list("ipi,pv", &words));
	ck_assert_uint_eq(words.nr, 2);
	ck_assert_str_eq(words.word[0], "ipi");
	ck_assert_str_eq(words.word[1], "pv");
	ck_assert_ptr_nonnull(parse_word_list("", &words));
	ck_assert_ptr_nonnull(parse_word_list("ipi,", &words));
	ck_assert_ptr_nonnull(parse_word_list(",ipi", &words));
	ck_assert_ptr_nonnull(parse_word_list("a,b,c,d,e,f,g,h,i,j,k,l,m,n,o,p,q", &words));
}
END_TEST

START_TEST(a_word_that_is_too_long_is_cut_off)
{
	struct word_list words;
	char text[200];

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = 0;
	ck_assert_ptr_null(parse_word_list(text, &words));
	ck_assert_uint_eq(strlen(words.word[0]), PARSE_WORD_BYTES - 1);
}
END_TEST

#define TESTS(X)                                             \
	X(quantities_are_understood)                         \
	X(what_is_no_quantity_is_refused_and_writes_nothing) \
	X(a_time_without_a_unit_gets_a_hint)                 \
	X(cpu_lists_keep_their_order)                        \
	X(what_is_no_cpu_list_is_refused)                    \
	X(a_cpu_list_is_cut_off_where_the_room_ends)         \
	X(words_are_split_at_commas)                         \
	X(a_word_that_is_too_long_is_cut_off)

UNIT_SUITE(parse, TESTS)
