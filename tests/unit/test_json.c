/* SPDX-License-Identifier: MIT */
/* JSON: what stands for text that is not UTF-8, numbers that are none, and what is missing. */
#include "unit.h"

#include <math.h>
#include <stdlib.h>

#include "vmm/base/json.h"

#define LOST "\xef\xbf\xbd" /* U+FFFD */

START_TEST(text_is_utf8_whatever_it_was)
{
	static const struct {
		const char *text, *becomes;
	} table[] = {
		{ "", "" },
		{ "guest.elf", "guest.elf" },
		{ "\x01\x7f", "\x01\x7f" },
		/* The first and the last character of each length. */
		{ "\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf" },
		{ "\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf" },
		{ "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
		{ "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
		/* Latin-1; a byte that continues nothing; characters without their end. */
		{ "caf\xe9.elf", "caf" LOST ".elf" },
		{ "\x80", LOST },
		{ "\xc3", LOST },
		{ "\xe2\x82", LOST LOST },
		{ "\xf0\x9f\x98", LOST LOST LOST },
		{ "\xc3\xc3\xa4", LOST "\xc3\xa4" },
		/* Longer than need be, half a pair, and beyond the last character. */
		{ "\xc0\x80", LOST LOST },
		{ "\xc1\xbf", LOST LOST },
		{ "\xe0\x9f\xbf", LOST LOST LOST },
		{ "\xf0\x8f\xbf\xbf", LOST LOST LOST LOST },
		{ "\xed\xa0\x80", LOST LOST LOST },
		{ "\xf4\x90\x80\x80", LOST LOST LOST LOST },
		{ "\xf5\x80\x80\x80", LOST LOST LOST LOST },
		{ "\xff", LOST },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		json_object *text = json_new_text(table[i].text);

		ck_assert_str_eq(json_object_get_string(text), table[i].becomes);
		json_object_put(text);
	}
}
END_TEST

START_TEST(what_is_no_number_or_no_text_is_null)
{
	json_object *o = json_object_new_object();

	json_add_number(o, "third", 1.0 / 3);
	json_add_number(o, "nan", NAN);
	json_add_number(o, "infinite", INFINITY);
	json_add_text(o, "none", NULL);
	json_add_text(o, "empty", "");
	json_add_text(o, "latin1", "\xe9");
	json_add_bool(o, "yes", true);
	json_add_u64(o, "most", UINT64_MAX);
	json_add(o, "names", json_new_names((const char *const[]){ "ipi", "pv" }, 2));
	char *text = json_print(o);
	ck_assert_str_eq(text, "{\n"
			       "  \"third\": 0.333333333,\n"
			       "  \"nan\": null,\n"
			       "  \"infinite\": null,\n"
			       "  \"none\": null,\n"
			       "  \"empty\": null,\n"
			       "  \"latin1\": \"" LOST "\",\n"
			       "  \"yes\": true,\n"
			       "  \"most\": 18446744073709551615,\n"
			       "  \"names\": [\"ipi\",\"pv\"]\n"
			       "}\n");
	free(text);
	json_object_put(o);
}
END_TEST

START_TEST(what_is_not_there_reads_as_nothing)
{
	json_object *o = json_object_new_object();

	json_add_u64(o, "number", 7);
	ck_assert_ptr_null(json_get(o, "other"));
	ck_assert_ptr_null(json_get(NULL, "number"));
	ck_assert(isnan(json_get_number(o, "other")));
	ck_assert(json_get_number(o, "number") == 7);
	ck_assert_uint_eq(json_get_u64(o, "other"), 0);
	ck_assert_uint_eq(json_get_u64(o, "number"), 7);
	ck_assert_str_eq(json_get_text(o, "number"), "");
	json_object_put(o);
}
END_TEST

#define TESTS(X)                                \
	X(text_is_utf8_whatever_it_was)         \
	X(what_is_no_number_or_no_text_is_null) \
	X(what_is_not_there_reads_as_nothing)

UNIT_SUITE(json, TESTS)
