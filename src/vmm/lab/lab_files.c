/* SPDX-License-Identifier: MIT */
/* Files on their way into an emulated machine and out of it. */
#define _GNU_SOURCE
#include "vmm/lab/lab_files.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/lab/repeatable.h"

/* Options whose value is written, in all commands of minivmm. */
static const struct {
	const char *name;
	bool directory;
} written[] = {
	{ "json", false },
	{ "trace", false },
	{ "record", false },
	{ "out", true },
};

/* The directories that these write to unless told otherwise. */
static const struct {
	const char *command, *directory;
} unsaid[] = {
	{ "sweep", "sweep-results" },
	{ "merge", "merged" },
};

/* ---- going in ----------------------------------------------------------------------- */

static int absolute(const char *path, char ret_path[PATH_MAX], struct error *err)
{
	char cwd[PATH_MAX];

	if (path[0] != '/' && !getcwd(cwd, sizeof(cwd)))
		return error_set_errno(err, EXIT_USAGE, errno, "lab: the current directory");
	int length = path[0] == '/' ? snprintf(ret_path, PATH_MAX, "%s", path)
				    : snprintf(ret_path, PATH_MAX, "%s/%s", cwd, path);
	return length < PATH_MAX ? 0 : error_set(err, EXIT_USAGE, "lab: '%s' is too long", path);
}

/* The way to the directory that an output is in, which has to be there outside. */
static int add_way_to(struct lab_files *files, const struct lab_output *output,
		      struct initramfs *fs, struct error *err)
{
	char parent[PATH_MAX];

	snprintf(parent, sizeof(parent), "%s", output->inside);
	size_t length = strlen(parent);
	while (length > 1 && parent[length - 1] == '/')
		parent[--length] = 0;
	*(strrchr(parent, '/') + (strrchr(parent, '/') == parent)) = 0;
	if (!files->repeatable)
		return initramfs_add_way(fs, parent, err);
	initramfs_add_directory(fs, parent);
	return 0;
}

/* What is there outside, at the place that a word names. */
static int add_at(const struct lab_files *files, const char *word, bool old, struct initramfs *fs,
		  struct error *err)
{
	char inside[PATH_MAX];

	if (!files->repeatable)
		return initramfs_add_path(fs, word, old, err);
	return repeatable_path(fs, word, inside, err) || initramfs_add_as(fs, word, inside, err)
		       ? -1
		       : 0;
}

static int set_paths(const struct lab_files *files, struct lab_output *output, const char *path,
		     struct initramfs *fs, struct error *err)
{
	if (absolute(path, output->path, err))
		return -1;
	if (files->repeatable)
		return repeatable_path(fs, path, output->inside, err);
	strcpy(output->inside, output->path);
	return 0;
}

/* A directory keeps what is in it: minivmm may refuse it for that, or go on with it. */
static int add_output(struct lab_files *files, const char *option, const char *path, bool directory,
		      struct initramfs *fs, struct error *err)
{
	struct lab_output *output = &files->output[files->nr];
	struct stat st;
	bool exists = stat(path, &st) == 0;

	/* Devices and pipes are the machine's own: /dev/stdout there leads outside. */
	if (files->nr == LAB_MAX_OUTPUTS || (!directory && exists && !S_ISREG(st.st_mode)))
		return 0;
	*output = (struct lab_output){ .directory = directory };
	if (set_paths(files, output, path, fs, err))
		return -1;
	if (directory && exists) {
		if (add_at(files, path, true, fs, err))
			return -1;
	} else if (directory) {
		if (add_way_to(files, output, fs, err))
			return -1;
	} else {
		if (output_file_open_for(&output->file, option, path, err))
			return -1;
		output->open = true;
		if (add_way_to(files, output, fs, err)) {
			output_file_discard(&output->file);
			return -1;
		}
	}
	files->nr++;
	return 0;
}

/* The row of an option that writes, and its value in this word or the next; -1: another. */
static int find_written(char *const words[], int nr, int i, const char **ret_value)
{
	for (unsigned row = 0; row < sizeof(written) / sizeof(written[0]); row++) {
		size_t length = strlen(written[row].name);

		if (strncmp(words[i], "--", 2) != 0 ||
		    strncmp(words[i] + 2, written[row].name, length) != 0)
			continue;
		const char *end = words[i] + 2 + length;
		if (*end == '=')
			*ret_value = end + 1;
		else if (!*end && i + 1 < nr)
			*ret_value = words[i + 1];
		else
			continue;
		return (int)row;
	}
	return -1;
}

/* Whatever the word means: if there is such a file, the command may want it. */
static int add_input(const struct lab_files *files, const char *word, bool directories,
		     struct initramfs *fs, struct error *err)
{
	struct stat st;

	if (strncmp(word, "--", 2) == 0 && strchr(word, '='))
		word = strchr(word, '=') + 1;
	if (stat(word, &st))
		return 0;
	if (S_ISREG(st.st_mode) || (directories && S_ISDIR(st.st_mode)))
		return add_at(files, word, false, fs, err);
	return 0;
}

static int add_unsaid(struct lab_files *files, const char *command, struct initramfs *fs,
		      struct error *err)
{
	for (unsigned i = 0; i < files->nr; i++) {
		if (files->output[i].directory)
			return 0;
	}
	for (unsigned i = 0; i < sizeof(unsaid) / sizeof(unsaid[0]); i++) {
		if (strcmp(unsaid[i].command, command) == 0)
			return add_output(files, "out", unsaid[i].directory, true, fs, err);
	}
	return 0;
}

int lab_files_prepare(struct lab_files *files, int nr_words, char *const words[],
		      struct initramfs *fs, struct error *err)
{
	bool directories = nr_words > 0 && strcmp(words[0], "merge") == 0;
	const char *value;

	for (int i = 0; i < nr_words && strcmp(words[i], "--") != 0; i++) {
		int row = find_written(words, nr_words, i, &value);

		if (row < 0) {
			if (add_input(files, words[i], directories, fs, err))
				return -1;
			continue;
		}
		if (add_output(files, written[row].name, value, written[row].directory, fs, err))
			return -1;
		i += value == words[i + 1];
	}
	return nr_words > 0 ? add_unsaid(files, words[0], fs, err) : 0;
}

/* ---- coming out ---------------------------------------------------------------------- */

/* A name from inside is one of a file below: it leads nowhere else. */
static bool is_below(const char *name)
{
	for (const char *part = name; *part; part += strcspn(part, "/"), part += *part == '/') {
		size_t length = strcspn(part, "/");

		if (length == 0 || (length == 2 && strncmp(part, "..", 2) == 0))
			return false;
	}
	return *name != 0;
}

static void make_directories(const char *path)
{
	char parent[PATH_MAX];

	for (const char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
		snprintf(parent, sizeof(parent), "%.*s", (int)(slash - path), path);
		mkdir(parent, 0777);
	}
}

void lab_files_begin(struct lab_files *files, uint32_t number, const char *name, size_t length)
{
	char below[PATH_MAX], path[PATH_MAX];
	struct error ignored;

	if (files->now == &files->below)
		output_file_discard(&files->below); /* it never came to its end */
	files->now = NULL;
	files->used = 0;
	if (number >= files->nr || length >= sizeof(below))
		return;
	struct lab_output *output = &files->output[number];
	memcpy(below, name, length);
	below[length] = 0;
	if (!output->directory && output->open) {
		files->now = &output->file;
		return;
	}
	if (!output->directory || !is_below(below) ||
	    snprintf(path, sizeof(path), "%s/%s", output->path, below) >= (int)sizeof(path))
		return;
	make_directories(path);
	if (output_file_open_for(&files->below, "out", path, &ignored) == 0)
		files->now = &files->below;
}

void lab_files_add(struct lab_files *files, const void *data, size_t length)
{
	if (files->now && files->used + length > files->room) {
		size_t room = 2 * (files->used + length);
		char *more = realloc(files->data, room);

		if (!more) {
			output_file_discard(files->now);
			files->now = NULL;
		} else {
			files->data = more;
			files->room = room;
		}
	}
	if (!files->now)
		return;
	memcpy(files->data + files->used, data, length);
	files->used += length;
}

/* The JSON of a run is the file of --json; that of a sweep is in its directory. */
static bool is_json(const struct lab_files *files, const struct output_file *output)
{
	return output == &files->below ? strcmp(output->name, "results.json") == 0
				       : strcmp(output->option, "json") == 0;
}

int lab_files_end(struct lab_files *files, struct error *err)
{
	struct output_file *output = files->now;

	files->now = NULL;
	if (!output)
		return error_set(err, EXIT_HOST, "lab: a file from inside cannot be written here");
	for (unsigned i = 0; i < files->nr; i++) {
		if (output == &files->output[i].file)
			files->output[i].open = false;
	}
	if (is_json(files, output))
		sha256_text((const uint8_t *)files->data, files->used, files->digest);
	return output_file_commit(output, files->data, files->used, err);
}

void lab_files_finish(struct lab_files *files)
{
	for (unsigned i = 0; i < files->nr; i++) {
		if (files->output[i].open)
			output_file_discard(&files->output[i].file);
	}
	if (files->now == &files->below)
		output_file_discard(&files->below);
	free(files->data);
	files->data = NULL;
}
