/* SPDX-License-Identifier: MIT */
/* What guests print: collected into lines, and bounded, since a guest may flood. */
#include "vmm/machine/console.h"

#include <stdlib.h>

int console_init(struct console *c, FILE *out, unsigned vm, unsigned nr_vms, unsigned nr_vcpus)
{
	*c = (struct console){ .out = out, .nr_lines = nr_vcpus };
	if (nr_vms > 1)
		snprintf(c->prefix_text, sizeof(c->prefix_text), "VM %u: ", vm);
	c->line = calloc(nr_vcpus, sizeof(*c->line));
	return c->line ? 0 : -1;
}

static void print_line(struct console *c, struct console_line *line)
{
	size_t before = __atomic_fetch_add(&c->printed, line->length + 1, __ATOMIC_RELAXED);

	if (before <= CONSOLE_MAX_BYTES) {
		fprintf(c->out, "%s%.*s\n", c->prefix_text, (int)line->length, line->text);
		if (before + line->length + 1 > CONSOLE_MAX_BYTES)
			fprintf(c->out, "%s(the guest has printed %u bytes; the rest is dropped)\n",
				c->prefix_text, CONSOLE_MAX_BYTES);
		fflush(c->out);
	}
	line->length = 0;
}

void console_finish(struct console *c)
{
	for (unsigned i = 0; c->line && i < c->nr_lines; i++) {
		if (c->line[i].length)
			print_line(c, &c->line[i]);
	}
	free(c->line);
	c->line = NULL;
}

void console_write(struct console *c, unsigned vcpu, const uint8_t *text, size_t length)
{
	struct console_line *line = &c->line[vcpu];

	for (size_t i = 0; i < length; i++) {
		char ch = (char)text[i];

		if (ch == '\r')
			continue;
		if (ch != '\n')
			line->text[line->length++] = (ch >= ' ' && ch <= '~') || ch == '\t' ? ch
											    : '?';
		if (ch == '\n' || line->length == CONSOLE_LINE_BYTES)
			print_line(c, line);
	}
}
