/* SPDX-License-Identifier: MIT */
/*
 * A file of --json or --trace: opened before the run, filled after it, whole or not there.
 *
 * The text goes into a file without a name (O_TMPFILE) that gets its name only
 * when it is complete, so that a run that is killed leaves nothing behind and a
 * reader never sees half a result. Where the file system has no such files, a
 * hidden one in the same directory stands in. A file whose place no other can take,
 * since it is a mount of its own or its directory takes no new ones, is written to where
 * it is; what is no regular file, such as /dev/stdout or a FIFO, likewise.
 */
#ifndef VMM_OUTPUT_FILE_H
#define VMM_OUTPUT_FILE_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "vcpu/base/error.h"

/* Points into itself: not to be copied. */
struct output_file {
	const char *option;  /* that names it, without the dashes */
	char path[PATH_MAX]; /* where the result belongs, symbolic links followed */
	const char *name;    /* its last part */
	int fd;		     /* -1: closed */
	int dir_fd;	     /* -1: written to directly */
	bool in_place;	     /* no other file can take the place of the one that is there */
	char temp_name[64];  /* of the file until it is complete; "": it has none */
};

/*
 * Makes sure that the result can be written later. Returns 0, or -1 with
 * EXIT_USAGE. Every open output is committed or discarded.
 */
int output_file_open(struct output_file *ret_output, const char *path, struct error *err);

/* The same for the file of another option than --json, named without its dashes. */
int output_file_open_for(struct output_file *ret_output, const char *option, const char *path,
			 struct error *err);

/*
 * Writes the text and puts it in its place, over an older result. Returns 0, or
 * -1 with EXIT_HOST and nothing left behind. The output is closed either way.
 */
int output_file_commit(struct output_file *output, const char *text, size_t length,
		       struct error *err);

/* The same with what `print` prints; it returns 0, or -1 with errno. */
int output_file_commit_printed(struct output_file *output, int (*print)(FILE *out, void *context),
			       void *context, struct error *err);

/* Closes without a trace; for a closed output does nothing. */
void output_file_discard(struct output_file *output);

#endif
