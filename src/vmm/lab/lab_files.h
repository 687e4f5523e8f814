/* SPDX-License-Identifier: MIT */
/* Which files a command of minivmm reads and writes, and what is written of them outside. */
#ifndef VMM_LAB_FILES_H
#define VMM_LAB_FILES_H

#include <stdint.h>
#include <stdio.h>

#include "vmm/base/output_file.h"
#include "vmm/base/sha256.h"
#include "vmm/lab/initramfs.h"

#define LAB_MAX_OUTPUTS 8

/* A file or a directory that the command writes. */
struct lab_output {
	char path[PATH_MAX];   /* absolute */
	char inside[PATH_MAX]; /* where it is in the machine */
	bool directory;
	struct output_file file; /* open from before the machine starts, if it is a file */
	bool open;
};

struct lab_files {
	bool repeatable; /* relative paths begin at REPEATABLE_DIRECTORY inside */
	unsigned nr;
	struct lab_output output[LAB_MAX_OUTPUTS];
	/* The file that comes out now. */
	struct output_file *now;
	struct output_file below; /* for one in a directory */
	char *data;
	size_t used, room;
	char digest[SHA256_TEXT_BYTES]; /* of the JSON that has come out; "": none has */
};

/*
 * Finds the files of `minivmm WORDS...` and takes those that it reads into the machine. What
 * it will write can be written: 0, or -1 with an error.
 */
int lab_files_prepare(struct lab_files *files, int nr_words, char *const words[],
		      struct initramfs *fs, struct error *err);

/* A file begins: of output `number`, and in a directory, `name`. Bad ones are left out. */
void lab_files_begin(struct lab_files *files, uint32_t number, const char *name, size_t length);
void lab_files_add(struct lab_files *files, const void *data, size_t length);
int lab_files_end(struct lab_files *files, struct error *err); /* puts it in its place */

void lab_files_finish(struct lab_files *files);

#endif
