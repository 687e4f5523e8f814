/* SPDX-License-Identifier: MIT */
/* What --help prints, which has to fit a terminal. */
#ifndef TESTS_HELP_TEXT_H
#define TESTS_HELP_TEXT_H

#include <stdio.h>

/* The text that `print` prints, after a look that no line is longer than 80. Free it. */
char *help_text(void (*print)(FILE *out));

#endif
