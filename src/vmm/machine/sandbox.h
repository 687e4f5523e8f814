/* SPDX-License-Identifier: MIT */
/*
 * The sandbox: once guests run, the process can do no more than run them.
 *
 * A guest that took over the VMM would find itself behind a seccomp filter that
 * lets through the system calls of the run loop and of the report, and no other:
 * no file can be opened, no program started, no memory made executable.
 */
#ifndef VMM_SANDBOX_H
#define VMM_SANDBOX_H

#include <stdbool.h>

#include "vcpu/base/error.h"

/* Why this build has no sandbox, or NULL if it has one. */
const char *sandbox_missing(void);

/*
 * Puts all threads of the process behind the filter, for ever, with no new
 * privileges. A forbidden call from then on is not carried out: it ends the
 * process with EXIT_HOST and a line that names it. 0, or -1 with an error.
 */
int sandbox_enter(bool tracks_dirty_pages, struct error *err);

#endif
