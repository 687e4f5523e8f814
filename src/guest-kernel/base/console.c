/* SPDX-License-Identifier: MIT */
/* Lines of text, composed piece by piece and printed whole. */
#include "guest-kernel/base/console.h"

#include "guest-kernel/base/platform.h"

void line_add(struct line *line, const char *text)
{
	/* Keeps room for a newline and the end. */
	while (*text && line->length < sizeof(line->text) - 2)
		line->text[line->length++] = *text++;
}

static void line_add_number(struct line *line, uint64_t value, unsigned base)
{
	char digits[21];
	char *first = digits + sizeof(digits) - 1;

	*first = '\0';
	do {
		*--first = "0123456789abcdef"[value % base];
		value /= base;
	} while (value);
	line_add(line, first);
}

void line_add_dec(struct line *line, uint64_t value)
{
	line_add_number(line, value, 10);
}

void line_add_hex(struct line *line, uint64_t value)
{
	line_add(line, "0x");
	line_add_number(line, value, 16);
}

void line_add_field(struct line *line, const char *key, uint64_t value)
{
	line_add(line, " ");
	line_add(line, key);
	line_add(line, "=");
	line_add_dec(line, value);
}

void line_print(struct line *line)
{
	line->text[line->length] = '\n';
	line->text[line->length + 1] = '\0';
	platform->puts(line->text);
}

_Noreturn void line_exit(struct line *line, uint32_t code)
{
	line_print(line);
	platform->exit(code);
}
