/* SPDX-License-Identifier: MIT */
/* Reading JSON that may lack anything: what is not there is 0, NAN or "". */
#ifndef SWEEP_JSON_READ_H
#define SWEEP_JSON_READ_H

#include <json-c/json.h>
#include <stdint.h>

#include "vcpu/base/error.h"

/* Parses a file whose "schema" has to be this one. To be put; 0, or -1 (EXIT_USAGE). */
int json_read_file(const char *path, const char *schema, json_object **ret_json, struct error *err);

json_object *json_get(const json_object *o, const char *key);
double json_get_number(const json_object *o, const char *key); /* NAN: none */
uint64_t json_get_u64(const json_object *o, const char *key);
const char *json_get_text(const json_object *o, const char *key);

/* A number with up to nine digits; what is no number becomes null. */
json_object *json_new_number(double value);

/* The text of a value laid out for people, to be freed; NULL if there is no memory. */
char *json_print(json_object *o);

#endif
