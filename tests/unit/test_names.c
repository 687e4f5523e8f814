/* SPDX-License-Identifier: MIT */
/* Names: the tables, and the nearest one to a misspelt word. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "minivmm/nearest.h"
#include "vmm/cli/names.h"

static const char *const fruits[] = { "apple", "banana", "cherry", "round-robin", "pv", "ipi" };

START_TEST(the_nearest_name_is_found)
{
	static const struct {
		const char *word;
		const char *nearest; /* NULL: none is near */
	} table[] = {
		{ "appel", "apple" },
		{ "Apple", "apple" },
		{ "bananas", "banana" },
		{ "chery", "cherry" },
		{ "round", "round-robin" },
		{ "vp", "pv" },
		{ "pvv", "pv" },
		{ "ip", "ipi" },
		{ "zzzzzz", NULL },
		{ "", NULL },
		{ "pineapple", NULL },
		{ "a-word-of-more-letters-than-are-ever-compared", NULL },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		const char *nearest = mv_nearest(table[i].word, fruits, COUNT_OF(fruits));

		if (table[i].nearest)
			ck_assert_str_eq(nearest, table[i].nearest);
		else
			ck_assert_ptr_null(nearest);
	}
}
END_TEST

START_TEST(edit_distance_counts_the_four_edits)
{
	static const struct {
		const char *a, *b;
		unsigned distance;
	} table[] = {
		{ "", "", 0 },	       { "abc", "abc", 0 },	   { "abc", "ABC", 0 },
		{ "", "abc", 3 },      { "abc", "ab", 1 },	   { "abc", "abxc", 1 },
		{ "abc", "axc", 1 },   { "abc", "acb", 1 },	   { "ca", "abc", 3 },
		{ "abcd", "badc", 2 }, { "kitten", "sitting", 3 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		ck_assert_uint_eq(mv_edit_distance(table[i].a, table[i].b), table[i].distance);
		ck_assert_uint_eq(mv_edit_distance(table[i].b, table[i].a), table[i].distance);
	}
}
END_TEST

static const struct name_table *const tables[] = { &mechanism_names, &scenario_names,
						   &policy_names,    &flush_prim_names,
						   &fault_names,     &feature_names };

START_TEST(every_name_is_found_and_its_neighbours_are_not)
{
	for (unsigned t = 0; t < COUNT_OF(tables); t++) {
		for (unsigned i = 0; i < tables[t]->nr; i++) {
			const char *name = tables[t]->name[i];
			char other[64];

			ck_assert_int_eq(name_table_index(tables[t], name), (int)i);
			snprintf(other, sizeof(other), "%sx", name);
			ck_assert_int_eq(name_table_index(tables[t], other), -1);
		}
		ck_assert_int_eq(name_table_index(tables[t], ""), -1);
	}
}
END_TEST

START_TEST(the_list_shows_every_name_with_its_summary_in_one_column)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);
	size_t column = 0;

	name_tables_print(out);
	fclose(out);
	for (unsigned t = 0; t < COUNT_OF(tables); t++) {
		ck_assert_ptr_nonnull(strstr(text, tables[t]->title));
		for (unsigned i = 0; i < tables[t]->nr; i++) {
			char start[64];

			snprintf(start, sizeof(start), "\n  %s ", tables[t]->name[i]);
			char *line = strstr(text, start);
			ck_assert_msg(line != NULL, "%s", tables[t]->name[i]);
			char *summary = strstr(line, tables[t]->summary[i]);
			ck_assert_ptr_nonnull(summary);
			column = column ? column : (size_t)(summary - line);
			ck_assert_uint_eq((size_t)(summary - line), column);
		}
	}
	free(text);
}
END_TEST

#define TESTS(X)                                          \
	X(the_nearest_name_is_found)                      \
	X(edit_distance_counts_the_four_edits)            \
	X(every_name_is_found_and_its_neighbours_are_not) \
	X(the_list_shows_every_name_with_its_summary_in_one_column)

UNIT_SUITE(names, TESTS)
