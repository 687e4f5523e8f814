/* SPDX-License-Identifier: MIT */
/*
 * A machine of --repeatable: what differs from one host to another has a fixed value inside.
 * See docs/repeatable.md.
 */
#ifndef VMM_LAB_REPEATABLE_H
#define VMM_LAB_REPEATABLE_H

#include <limits.h>
#include <stdbool.h>

#include "vmm/lab/initramfs.h"

/* Where the current directory and the programs are, wherever they are outside. */
#define REPEATABLE_DIRECTORY "/here"
#define REPEATABLE_PROGRAMS  "/usr/bin"

/* What is random comes from this, unless --seed is given. */
#define REPEATABLE_SEED 1

/*
 * Where a file is inside that a word outside names: an absolute path is kept, others begin at
 * REPEATABLE_DIRECTORY. Directories that ".." leaves again are made. 0, or -1 with EXIT_USAGE.
 */
int repeatable_path(struct initramfs *fs, const char *word, char ret_path[PATH_MAX],
		    struct error *err);

/*
 * Behind how many words of `minivmm WORDS...` the seed belongs; -1: it is given, a recording
 * brings it, or the command takes none. Pure.
 */
int repeatable_seed_place(int nr, char *const words[]);

#endif
