/* SPDX-License-Identifier: MIT */
/* What a machine of --repeatable has in place of what differs from host to host. */
#include "vmm/lab/repeatable.h"

#include <stdio.h>
#include <string.h>

/* Appends a component, or takes the last one away. Whether it fits. */
static bool go(struct initramfs *fs, char path[PATH_MAX], const char *name, size_t length)
{
	size_t used = strlen(path);

	if (length == 0 || (length == 1 && *name == '.'))
		return true;
	if (length == 2 && strncmp(name, "..", 2) == 0) {
		if (used > 0)
			initramfs_add_directory(fs, path);
		*(used > 0 ? strrchr(path, '/') : path) = 0;
		return true;
	}
	return snprintf(path + used, PATH_MAX - used, "/%.*s", (int)length, name) <
	       (int)(PATH_MAX - used);
}

int repeatable_path(struct initramfs *fs, const char *word, char ret_path[PATH_MAX],
		    struct error *err)
{
	bool fits = true;

	strcpy(ret_path, *word == '/' ? "" : REPEATABLE_DIRECTORY);
	for (const char *at = word; *at && fits; at += strcspn(at, "/"), at += *at == '/')
		fits = go(fs, ret_path, at, strcspn(at, "/"));
	if (!fits)
		return error_set(err, EXIT_USAGE, "lab: '%s' is too long", word);
	if (!*ret_path)
		strcpy(ret_path, "/");
	return 0;
}

/* "--NAME" or "--NAME=VALUE". */
static bool is_option(const char *word, const char *name)
{
	size_t length = strlen(name);

	return strncmp(word, name, length) == 0 && (word[length] == 0 || word[length] == '=');
}

int repeatable_seed_place(int nr, char *const words[])
{
	static const char *const seedless[] = { "host", "merge", "trace-stats" };

	for (unsigned i = 0; nr > 0 && i < sizeof(seedless) / sizeof(seedless[0]); i++) {
		if (strcmp(words[0], seedless[i]) == 0)
			return -1;
	}
	for (int i = 0; i < nr && strcmp(words[i], "--") != 0; i++) {
		if (is_option(words[i], "--seed") || is_option(words[i], "--replay"))
			return -1;
	}
	return nr > 0 && strcmp(words[0], "sweep") == 0;
}
