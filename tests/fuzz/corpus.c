/* SPDX-License-Identifier: MIT */
/* Feeds every file of the directories named to a fuzz target: its corpus as a test. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#define PATH_BYTES 4096

static int feed_file(const char *path)
{
	struct stat st;
	FILE *file = fopen(path, "re");

	if (!file || stat(path, &st)) {
		perror(path);
		return -1;
	}
	/* Exactly as large as the input, so that a sanitizer sees every read beyond it. */
	uint8_t *bytes = malloc(st.st_size ? (size_t)st.st_size : 1);
	size_t n = bytes ? fread(bytes, 1, (size_t)st.st_size, file) : 0;
	fclose(file);
	if (n == (size_t)st.st_size) {
		fprintf(stderr, "%s\n", path);
		LLVMFuzzerTestOneInput(bytes, n);
	}
	free(bytes);
	return n == (size_t)st.st_size ? 0 : -1;
}

/* The number of files fed, or -1. */
static int feed_directory(const char *path)
{
	struct dirent *entry;
	DIR *directory = opendir(path);
	int nr = 0;

	if (!directory) {
		perror(path);
		return -1;
	}
	while (nr >= 0 && (entry = readdir(directory))) {
		char name[PATH_BYTES];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
		nr = feed_file(name) ? -1 : nr + 1;
	}
	closedir(directory);
	return nr;
}

int main(int argc, char *argv[])
{
	int sum = 0;

	for (int i = 1; i < argc; i++) {
		int nr = feed_directory(argv[i]);

		if (nr < 0)
			return EXIT_FAILURE;
		sum += nr;
	}
	printf("%d inputs\n", sum);
	return sum ? EXIT_SUCCESS : EXIT_FAILURE;
}
