/* SPDX-License-Identifier: MIT */
/* `minivmm host`: what this host's KVM is, and what it was seen to do. */
#ifndef VMM_HOST_COMMAND_H
#define VMM_HOST_COMMAND_H

/*
 * argv[0] is "host". Measures on the first CPU that the process may use, prints, and
 * returns the exit status.
 */
int host_command(int argc, char *argv[]);

#endif
