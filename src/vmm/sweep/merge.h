/* SPDX-License-Identifier: MIT */
/* `minivmm merge DIR...`: the parts of a sweep, put together. */
#ifndef SWEEP_MERGE_H
#define SWEEP_MERGE_H

/* argv[0] is the name of the subcommand. Returns the exit status. */
int merge_command(int argc, char *argv[]);

#endif
