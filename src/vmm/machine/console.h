/* SPDX-License-Identifier: MIT */
/* What guests print: collected into lines, and bounded, since a guest may flood. */
#ifndef VMM_CONSOLE_H
#define VMM_CONSOLE_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define CONSOLE_LINE_BYTES 256
#define CONSOLE_MAX_BYTES  (1u << 20) /* of one VM; the rest is dropped, with a notice */

/* A line that one vCPU has not ended yet. */
struct console_line {
	unsigned length;
	char text[CONSOLE_LINE_BYTES];
};

struct console {
	FILE *out;
	char prefix_text[16]; /* of every line, "" for none */
	unsigned nr_lines;    /* a line for each vCPU, so that their texts do not mix */
	struct console_line *line;
	size_t printed; /* atomic */
};

/* 0, or -1 if there is not enough memory. */
int console_init(struct console *c, FILE *out, unsigned vm, unsigned nr_vms, unsigned nr_vcpus);
/* Prints what has no end of line yet. */
void console_finish(struct console *c);

/* Characters from one vCPU, each call from its own thread. Anything but printable
 * ASCII, tab and newline becomes '?': a guest must not steer the terminal. */
void console_write(struct console *c, unsigned vcpu, const uint8_t *text, size_t length);

#endif
