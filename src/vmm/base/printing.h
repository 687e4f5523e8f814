/* SPDX-License-Identifier: MIT */
/* What every command does when it has printed what was asked for. */
#ifndef VMM_PRINTING_H
#define VMM_PRINTING_H

/* The exit status: a full disk or a closed pipe is no success, and is told on stderr. */
int finish_printing(void);

#endif
