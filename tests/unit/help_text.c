/* SPDX-License-Identifier: MIT */
/* What --help prints: see help_text.h. */
#include "help_text.h"

#include <check.h>
#include <string.h>

char *help_text(void (*print)(FILE *out))
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	print(out);
	fclose(out);
	for (const char *line = text; *line; line += strspn(line, "\n")) {
		int length = (int)strcspn(line, "\n");

		ck_assert_msg(length <= 80, "%.*s", length, line);
		line += length;
	}
	return text;
}
