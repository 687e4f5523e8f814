/* SPDX-License-Identifier: MIT */
/* The manifest of a sweep: written before the first run, compared ever after. */
#include "vmm/sweep/plan/manifest.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vmm/base/sha256.h"
#include "vmm/base/version.h"
#include "vmm/sweep/plan/folder.h"

#define SCHEMA "minivmm.sweep-manifest/1"

#define MAX_ARGUMENTS (MATRIX_DIMENSIONS + 16)
#define WORDS_BYTES   (PARSE_WORDS * PARSE_WORD_BYTES)

/* ---- the arguments in their normal form -------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add(json_object *list, const char *format, ...)
{
	char text[LAB_WORDS_BYTES + WORDS_BYTES + PARSE_WORD_BYTES + 8];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	json_object_array_add(list, json_new_text(text));
}

static const char *counts_text(const struct count_list *counts, char text[WORDS_BYTES])
{
	size_t used = 0;

	for (unsigned i = 0; i < counts->nr; i++)
		used += (size_t)snprintf(text + used, WORDS_BYTES - used, "%s%u", i ? "," : "",
					 counts->count[i]);
	return text;
}

static const char *words_text(const struct word_list *words, char text[WORDS_BYTES])
{
	size_t used = 0;

	text[0] = 0;
	for (unsigned i = 0; i < words->nr; i++)
		used += (size_t)snprintf(text + used, WORDS_BYTES - used, "%s%s", i ? "," : "",
					 words->word[i]);
	return text;
}

static void add_dimensions(json_object *list, const struct matrix *m, bool of_guest)
{
	char text[WORDS_BYTES];

	for (unsigned i = 0; i < m->nr_dimensions; i++) {
		const struct dimension *d = &m->dimension[i];

		words_text(&d->values, text);
		if (d->of_guest == of_guest)
			add(list, "%s%s%s%s", of_guest ? "" : "--", d->name, *text ? "=" : "",
			    text);
	}
}

static json_object *arguments_json(const struct sweep_options *o)
{
	json_object *list = json_object_new_array();
	char text[WORDS_BYTES];

	add(list, "--vms=%s", counts_text(&o->matrix.vms, text));
	add(list, "--vcpus-per-pcpu=%s", counts_text(&o->matrix.vcpus_per_pcpu, text));
	add(list, "--shootdown=%s", o->shootdown);
	add(list, "--repeats=%u", o->repeats);
	add(list, "--seed=%" PRIu64, o->seed);
	if (o->lab_text) {
		char words[LAB_WORDS_BYTES];

		lab_words_format(&o->lab, words);
		add(list, "--lab=%s", words);
	}
	if (o->preset)
		add(list, "--preset=%s", o->preset->name);
	add_dimensions(list, &o->matrix, false);
	add(list, "--");
	add_dimensions(list, &o->matrix, true);
	return list;
}

/* ---- the file ---------------------------------------------------------------- */

int manifest_make(const struct sweep_options *o, json_object **ret_manifest, struct error *err)
{
	char hash[SHA256_TEXT_BYTES];
	uint64_t bytes = 0;

	if (sha256_file(o->guest_path, hash, &bytes, err))
		return -1;
	json_object *manifest = json_object_new_object();
	json_object *guest = json_object_new_object();
	json_add(manifest, "schema", json_new_text(SCHEMA));
	json_add(manifest, "minivmm_version", json_new_text(MINIVMM_VERSION));
	json_add(guest, "path", json_new_text(o->guest_path));
	json_add_u64(guest, "bytes", bytes);
	json_add(guest, "sha256", json_new_text(hash));
	json_add(manifest, "guest", guest);
	json_add_u64(manifest, "pcpus", o->matrix.nr_pcpus);
	json_add(manifest, "arguments", arguments_json(o));
	*ret_manifest = manifest;
	return 0;
}

int manifest_read(const char *dir, json_object **ret_manifest, struct error *err)
{
	struct folder_path path = folder_path(dir, "manifest.json");

	return file_read_json(path.text, SCHEMA, ret_manifest, err);
}

int manifest_write(const char *dir, json_object *manifest, struct error *err)
{
	struct folder_path path = folder_path(dir, "manifest.json");
	char *text = json_print(manifest);

	if (!text)
		return error_set(err, EXIT_HOST, "not enough memory for the manifest");
	int result = file_write_text(path.text, text, err);
	free(text);
	return result;
}

/* ---- reading it again -------------------------------------------------------- */

int manifest_options(json_object *manifest, struct sweep_options *ret_options, struct error *err)
{
	const char *guest = json_get_text(json_get(manifest, "guest"), "path");
	json_object *arguments = json_get(manifest, "arguments");
	struct host_cpus allowed = { .inherited.nr = (unsigned)json_get_u64(manifest, "pcpus") };
	char *argv[MAX_ARGUMENTS + 3] = { (char *)"sweep", (char *)guest };
	int argc = 2;
	size_t nr = json_object_is_type(arguments, json_type_array)
			    ? json_object_array_length(arguments)
			    : 0;

	if (nr > MAX_ARGUMENTS)
		return error_set(err, EXIT_USAGE, "the manifest has too many arguments");
	for (size_t i = 0; i < nr; i++)
		argv[argc++] = (char *)json_object_get_string(
			json_object_array_get_idx(arguments, i));
	return sweep_options_parse(argc, argv, &allowed, ret_options, err);
}

const char *manifest_difference(json_object *a, json_object *b)
{
	static const struct {
		const char *key, *in_words;
	} parts[] = {
		{ "minivmm_version", "version of minivmm" },
		{ "pcpus", "number of pCPUs" },
		{ "arguments", "options" },
	};
	json_object *guest_a = json_get(a, "guest"), *guest_b = json_get(b, "guest");

	if (strcmp(json_get_text(guest_a, "sha256"), json_get_text(guest_b, "sha256")) != 0)
		return "guest";
	for (unsigned i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		if (!json_object_equal(json_get(a, parts[i].key), json_get(b, parts[i].key)))
			return parts[i].in_words;
	}
	return NULL;
}
