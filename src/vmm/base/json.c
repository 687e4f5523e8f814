/* SPDX-License-Identifier: MIT */
/* JSON made for programs and people, and read although it may lack anything. */
#include "vmm/base/json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void json_prepare(void)
{
	json_object *o = json_object_new_object();

	json_add_bool(o, "", true);
	json_object_put(o);
}

/* ---- text ------------------------------------------------------------------------- */

#define REPLACEMENT "\xef\xbf\xbd" /* U+FFFD */

/* How many bytes a character has that begins with this one; 0: none begins so. */
static size_t length_by_first(uint8_t first)
{
	if (first < 0x80)
		return 1;
	if (first < 0xc2 || first > 0xf4)
		return 0;
	return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* Longer than need be, half of a pair of UTF-16, or beyond the last character: RFC 3629. */
static bool is_forbidden(const uint8_t *c)
{
	return (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
	       (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f);
}

/* The bytes of the UTF-8 character there, or 0 if there is none. Text ends with a zero. */
static size_t character_bytes(const uint8_t *c)
{
	size_t length = length_by_first(c[0]);

	for (size_t i = 1; i < length; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
	}
	return length > 2 && is_forbidden(c) ? 0 : length;
}

/* `to` has room for three times the text. */
static void replace_what_is_no_text(char *to, const char *text)
{
	while (*text) {
		size_t length = character_bytes((const uint8_t *)text);

		if (length) {
			memcpy(to, text, length);
			to += length;
			text += length;
		} else {
			memcpy(to, REPLACEMENT, strlen(REPLACEMENT));
			to += strlen(REPLACEMENT);
			text++;
		}
	}
	*to = 0;
}

json_object *json_new_text(const char *text)
{
	char *utf8 = malloc(strlen(REPLACEMENT) * strlen(text) + 1);

	if (!utf8)
		return NULL;
	replace_what_is_no_text(utf8, text);
	json_object *value = json_object_new_string(utf8);
	free(utf8);
	return value;
}

/* ---- making ------------------------------------------------------------------------ */

json_object *json_new_number(double value)
{
	if (!isfinite(value))
		return NULL;
	json_object *number = json_object_new_double(value);
	json_object_set_serializer(number, json_object_double_to_json_string, "%.9g", NULL);
	return number;
}

json_object *json_new_names(const char *const names[], unsigned nr)
{
	json_object *list = json_object_new_array();

	for (unsigned i = 0; i < nr; i++)
		json_object_array_add(list, json_new_text(names[i]));
	return json_in_one_line(list);
}

void json_add(json_object *to, const char *key, json_object *value)
{
	json_object_object_add(to, key, value);
}

void json_add_u64(json_object *to, const char *key, uint64_t value)
{
	json_add(to, key, json_object_new_uint64(value));
}

void json_add_bool(json_object *to, const char *key, bool value)
{
	json_add(to, key, json_object_new_boolean(value));
}

void json_add_number(json_object *to, const char *key, double value)
{
	json_add(to, key, json_new_number(value));
}

void json_add_text(json_object *to, const char *key, const char *text)
{
	json_add(to, key, text && *text ? json_new_text(text) : NULL);
}

json_object *json_in_one_line(json_object *value)
{
	char *text = strdup(json_object_to_json_string_ext(value, JSON_C_TO_STRING_PLAIN));

	json_object_set_serializer(value, json_object_userdata_to_json_string, text,
				   json_object_free_userdata);
	return value;
}

char *json_print(json_object *o)
{
	const char *text = json_object_to_json_string_ext(
		o,
		JSON_C_TO_STRING_PRETTY | JSON_C_TO_STRING_SPACED | JSON_C_TO_STRING_NOSLASHESCAPE);
	char *copy = text ? malloc(strlen(text) + 2) : NULL;

	if (copy)
		strcat(strcpy(copy, text), "\n");
	return copy;
}

/* ---- reading ----------------------------------------------------------------------- */

json_object *json_get(const json_object *o, const char *key)
{
	json_object *value = NULL;

	if (json_object_is_type(o, json_type_object))
		json_object_object_get_ex(o, key, &value);
	return value;
}

double json_get_number(const json_object *o, const char *key)
{
	json_object *value = json_get(o, key);

	return value ? json_object_get_double(value) : NAN;
}

uint64_t json_get_u64(const json_object *o, const char *key)
{
	return json_object_get_uint64(json_get(o, key));
}

const char *json_get_text(const json_object *o, const char *key)
{
	json_object *value = json_get(o, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "";
}
