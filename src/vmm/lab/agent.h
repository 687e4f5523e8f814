/* SPDX-License-Identifier: MIT */
/* `minivmm lab-agent`: the first process of an emulated machine. */
#ifndef VMM_LAB_AGENT_H
#define VMM_LAB_AGENT_H

/*
 * The files that tell the agent what to do. A list has a NUL behind each word.
 *
 * modules      lines: a path, a blank, parameters
 * command      the words of the command
 * environment  its environment
 * directory    where it starts
 * streams      a letter for each of descriptors 0 to 2: AGENT_*
 * outputs      the files and directories that are wanted outside when it has ended
 * serial       if it is there, the channel leads in by a serial line and out by a parallel port
 * sealed       if it is there, too, nothing leads in
 * entropy      if it is there, bytes that the kernel takes for random ones: AGENT_ENTROPY_BYTES
 */
#define AGENT_DIRECTORY "/lab"

/* As many as Linux's generator wants before it is ready (its POOL_READY_BITS). */
#define AGENT_ENTROPY_BYTES 32

#define AGENT_NOTHING  'n' /* /dev/null */
#define AGENT_PIPE     'p'
#define AGENT_TERMINAL 't' /* a terminal that the others do not share */
#define AGENT_SHELL    's' /* one for all three, which controls the command */

/* A busybox, if it is there, whose commands the agent puts into AGENT_PATH. */
#define AGENT_BUSYBOX AGENT_DIRECTORY "/busybox"
#define AGENT_PATH    AGENT_DIRECTORY "/bin"

/* Where the channel is, in the image of QEMU's machines. */
#define AGENT_CHANNEL "minivmm.lab"

int lab_agent_command(int argc, char *argv[]);

#endif
