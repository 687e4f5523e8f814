/* SPDX-License-Identifier: MIT */
/*
 * The folder of a sweep, and how its files get there: whole or not at all.
 *
 *	manifest.json     what is run: guest, version, arguments, see manifest.h
 *	runs/             each finished run, as `minivmm --json` wrote it
 *	results.json, results.csv, report.html, charts/
 *
 * The first two are all that is needed to resume a sweep; the rest is made from them.
 */
#ifndef SWEEP_FOLDER_H
#define SWEEP_FOLDER_H

#include <limits.h>
#include <stdbool.h>

#include "vcpu/base/error.h"
#include "vmm/base/json.h"
#include "vmm/sweep/plan/matrix.h"

/* A path inside a folder. */
struct folder_path {
	char text[PATH_MAX];
};

/* DIR/NAME, formatted. What is too long is cut off, and not found. */
struct folder_path folder_path(const char *dir, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Where the result of a run belongs. */
struct folder_path folder_run_path(const char *dir, const struct visit *visit, unsigned repeat);

/* Makes the folder and those in it, as far as they are not there. 0, or -1 (EXIT_USAGE). */
int folder_make(const char *dir, struct error *err);

bool folder_has(const char *dir, const char *name);

/* Reads a file into memory that is to be freed, a 0 behind it. 0, or -1 (EXIT_USAGE). */
int file_read_text(const char *path, char **ret_text, struct error *err);

/* Parses a file whose "schema" has to be this one. To be put; 0, or -1 (EXIT_USAGE). */
int file_read_json(const char *path, const char *schema, json_object **ret_json, struct error *err);

/* Puts a text into a file in one step, over what was there. 0, or -1 (EXIT_HOST). */
int file_write_text(const char *path, const char *text, struct error *err);

#endif
