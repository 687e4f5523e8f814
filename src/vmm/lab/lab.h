/* SPDX-License-Identifier: MIT */
/*
 * `minivmm lab`: runs minivmm in an emulated machine that has KVM, as if it ran here.
 *
 * Nothing is left behind, however this process ends: the machine's image and QEMU's log are
 * files without names, its channels are sockets without names, and the emulator is killed
 * by the kernel when its parent dies (PR_SET_PDEATHSIG).
 */
#ifndef VMM_LAB_H
#define VMM_LAB_H

/* `minivmm lab ...`; returns the exit status. */
int lab_command(int argc, char *argv[]);

#endif
