/* SPDX-License-Identifier: MIT */
/*
 * Standard input for the serial port of a guest: a thread that reads it when, and as much
 * as, the guest asks for. A guest that never asks leaves it alone.
 */
#ifndef VMM_TERMINAL_H
#define VMM_TERMINAL_H

#include <termios.h>

#include "vcpu/base/error.h"
#include "vmm/linux/pc.h"

struct terminal {
	struct pc *pc; /* NULL: there is none */
	pthread_t thread;
	int stop_fd;
	bool started; /* this and the next: under the lock of pc */
	bool stopping;
	bool is_changed;
	struct termios before;
};

/* Whether standard input is a terminal that this process may read. */
bool terminal_is_there(void);

/*
 * Starts the thread. A terminal then hands on every key at once and echoes none, since the
 * guest does; Ctrl-C still ends minivmm. 0, or -1 with an error.
 */
int terminal_start(struct terminal *t, struct pc *pc, struct error *err);

/* Ends the thread and restores the terminal. Harmless if it was never started. */
void terminal_stop(struct terminal *t);

#endif
