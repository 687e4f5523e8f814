/* SPDX-License-Identifier: MIT */
/* `minivmm watch PID`: how the host's scheduler treats the vCPUs of a running VMM. */
#ifndef VMM_WATCH_H
#define VMM_WATCH_H

/* The subcommand; argv[0] is its name. Returns the exit status. */
int watch_command(int argc, char *argv[]);

#endif
