/* SPDX-License-Identifier: MIT */
/* `minivmm sweep`: a matrix of runs, its results and its report. */
#ifndef SWEEP_SWEEP_H
#define SWEEP_SWEEP_H

/* argv[0] is the name of the subcommand. Returns the exit status. */
int sweep_command(int argc, char *argv[]);

#endif
