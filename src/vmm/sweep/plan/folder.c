/* SPDX-License-Identifier: MIT */
/* The folder of a sweep: its paths, and files that are whole or not there. */
#include "vmm/sweep/plan/folder.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct folder_path folder_path(const char *dir, const char *format, ...)
{
	struct folder_path path;
	size_t used = (size_t)snprintf(path.text, sizeof(path.text), "%s/", dir);
	va_list args;

	if (used < sizeof(path.text)) {
		va_start(args, format);
		vsnprintf(path.text + used, sizeof(path.text) - used, format, args);
		va_end(args);
	}
	return path;
}

struct folder_path folder_run_path(const char *dir, const struct visit *visit, unsigned repeat)
{
	return folder_path(dir, "runs/block-%04u-cell-%04u-repeat-%03u.json", visit->block,
			   visit->cell, repeat);
}

static int make_directory(const char *path, struct error *err)
{
	if (mkdir(path, 0777) == 0 || errno == EEXIST)
		return 0;
	return error_set_errno(err, EXIT_USAGE, errno, "the folder '%s' cannot be made", path);
}

int folder_make(const char *dir, struct error *err)
{
	struct folder_path runs = folder_path(dir, "runs"), charts = folder_path(dir, "charts");

	if (make_directory(dir, err) || make_directory(runs.text, err) ||
	    make_directory(charts.text, err))
		return -1;
	if (access(runs.text, W_OK | X_OK))
		return error_set_errno(err, EXIT_USAGE, errno, "'%s' cannot be written to",
				       runs.text);
	return 0;
}

bool folder_has(const char *dir, const char *name)
{
	struct folder_path path = folder_path(dir, "%s", name);

	return access(path.text, F_OK) == 0;
}

/* ---- whole files ------------------------------------------------------------- */

/* All of a file that has no 0 in it; NULL with errno if it cannot be had. */
static char *read_stream(FILE *file)
{
	size_t size = 0;
	char *text = NULL;

	errno = 0;
	if (getdelim(&text, &size, 0, file) < 0 && feof(file) && text)
		text[0] = 0;
	else if (ferror(file) || errno) {
		free(text);
		return NULL;
	}
	return text;
}

int file_read_text(const char *path, char **ret_text, struct error *err)
{
	FILE *file = fopen(path, "re");
	char *text = file ? read_stream(file) : NULL;
	int errnum = errno;

	if (file)
		fclose(file);
	if (!text)
		return error_set_errno(err, EXIT_USAGE, errnum, "'%s' cannot be read", path);
	*ret_text = text;
	return 0;
}

int file_read_json(const char *path, const char *schema, json_object **ret_json, struct error *err)
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

static int write_and_sync(const char *path, const char *text)
{
	FILE *file = fopen(path, "we");

	if (!file)
		return -1;
	int failed = fputs(text, file) < 0 || fflush(file) || fsync(fileno(file));
	int errnum = errno;
	failed |= fclose(file) != 0;
	errno = errnum;
	return failed ? -1 : 0;
}

int file_write_text(const char *path, const char *text, struct error *err)
{
	struct folder_path part;

	snprintf(part.text, sizeof(part.text), "%s.part", path);
	if (write_and_sync(part.text, text) == 0 && rename(part.text, path) == 0)
		return 0;
	int errnum = errno;
	unlink(part.text);
	return error_set_errno(err, EXIT_HOST, errnum, "'%s' cannot be written", path);
}
