/* SPDX-License-Identifier: MIT */
/* One failure, one message: fills in struct error. */
#include "vcpu/base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Formats into a buffer of its own, so that the text so far may be one of the
 * arguments. What is cut off ends in dots.
 */
static void set_text(struct error *err, const char *format, va_list args)
{
	char text[sizeof(err->text)];
	int length = vsnprintf(text, sizeof(text), format, args);

	if (length < 0)
		strcpy(text, "an error whose message could not be put together");
	else if ((size_t)length >= sizeof(text))
		strcpy(text + sizeof(text) - sizeof("..."), "...");

	/* The message quotes file names and arguments, and has to stay one line. */
	for (char *c = text; *c; c++) {
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	}
	memcpy(err->text, text, sizeof(text));
}

int error_set(struct error *err, enum exit_status status, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_text(err, format, args);
	va_end(args);
	err->status = status;
	return -1;
}

int error_set_errno(struct error *err, enum exit_status status, int errnum, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	set_text(err, format, args);
	va_end(args);
	return error_set(err, status, "%s: %s", err->text, strerror(errnum));
}
