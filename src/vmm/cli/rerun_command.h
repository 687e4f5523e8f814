/* SPDX-License-Identifier: MIT */
/* The command that repeats a run, to be pasted into a shell. Pure. */
#ifndef VMM_RERUN_COMMAND_H
#define VMM_RERUN_COMMAND_H

#include <stdio.h>

#include "vmm/cli/options.h"

/*
 * Prints the command in one line, without a newline: the seed, every option that is
 * not at its default, the recorded schedule if there is one, the guest and its arguments.
 */
void rerun_command_print(FILE *out, const struct options *o);

/* The same in a string, to be freed; NULL if there is no memory for it. */
char *rerun_command_make(const struct options *o);

/* Prints a word so that a POSIX shell reads it as that one word. */
void rerun_command_quote(FILE *out, const char *word);

#endif
