/* SPDX-License-Identifier: MIT */
/* Gnuplot, as a child process. */
#ifndef SWEEP_GNUPLOT_H
#define SWEEP_GNUPLOT_H

#include <stddef.h>

/*
 * Runs gnuplot on the scripts in argv[1] and after, in the folder, and waits for it.
 * argv[0] is "gnuplot" and the last word NULL. What it complains of goes to gnuplot.log
 * there. Returns 0, or -1 with the reason as a phrase in ret_why.
 */
int gnuplot_run(const char *dir, char *argv[], char *ret_why, size_t size);

#endif
