/* SPDX-License-Identifier: MIT */
/* JSON made for programs and people, and read although it may lack anything. */
#ifndef VMM_JSON_H
#define VMM_JSON_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

/* ---- making: no memory shows as a null, or as no text in the end -------------------- */

/* JSON is UTF-8 (RFC 8259): in other bytes' place stands U+FFFD. */
json_object *json_new_text(const char *text);

/* A number with up to nine digits; what is no number becomes null. */
json_object *json_new_number(double value);

/* A list of texts, printed in one line. */
json_object *json_new_names(const char *const names[], unsigned nr);

/*
 * Has json-c draw the seed of its hash table now, and not with the first object that is made:
 * where the kernel has no random numbers yet it opens a file for it (json-c 0.16).
 */
void json_prepare(void);

void json_add(json_object *to, const char *key, json_object *value);
void json_add_u64(json_object *to, const char *key, uint64_t value);
void json_add_bool(json_object *to, const char *key, bool value);
void json_add_number(json_object *to, const char *key, double value);
void json_add_text(json_object *to, const char *key, const char *text); /* NULL, "": null */

/* Prints a value in one line, whatever the style of what is round it; returns it. */
json_object *json_in_one_line(json_object *value);

/* The text of a value laid out for people, to be freed; NULL if there is no memory. */
char *json_print(json_object *o);

/* ---- reading: what is not there is 0, NAN or "" ------------------------------------- */

json_object *json_get(const json_object *o, const char *key);
double json_get_number(const json_object *o, const char *key); /* NAN: none */
uint64_t json_get_u64(const json_object *o, const char *key);
const char *json_get_text(const json_object *o, const char *key);

#endif
