/* SPDX-License-Identifier: MIT */
/* Reading JSON that may lack anything, and writing it for people. */
#include "vmm/sweep/plan/json_read.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/sweep/plan/folder.h"

int json_read_file(const char *path, const char *schema, json_object **ret_json, struct error *err)
{
	char *text;

	if (file_read_text(path, &text, err))
		return -1;
	json_object *o = json_tokener_parse(text);
	free(text);
	if (strcmp(json_get_text(o, "schema"), schema) == 0) {
		*ret_json = o;
		return 0;
	}
	json_object_put(o);
	return error_set(err, EXIT_USAGE, "'%s' is not JSON of the schema %s", path, schema);
}

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

json_object *json_new_number(double value)
{
	if (!isfinite(value))
		return NULL;
	json_object *number = json_object_new_double(value);
	json_object_set_serializer(number, json_object_double_to_json_string, "%.9g", NULL);
	return number;
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
