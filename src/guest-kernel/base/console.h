/* SPDX-License-Identifier: MIT */
/* Lines of text, composed piece by piece and printed whole, so that vCPUs do not mix theirs. */
#ifndef GUEST_CONSOLE_H
#define GUEST_CONSOLE_H

#include <stdint.h>

/* What does not fit is cut. Start with a zeroed line. */
struct line {
	unsigned length;
	char text[256];
};

void line_add(struct line *line, const char *text);
void line_add_dec(struct line *line, uint64_t value);
void line_add_hex(struct line *line, uint64_t value);
void line_add_field(struct line *line, const char *key, uint64_t value); /* " key=value" */

/* Prints the line and a newline. */
void line_print(struct line *line);

/* Prints a line that is complete as it is, and ends the run with one of MV_EXIT_*. */
_Noreturn void line_exit(struct line *line, uint32_t code);

#endif
