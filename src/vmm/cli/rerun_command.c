/* SPDX-License-Identifier: MIT */
/* The command that repeats a run, to be pasted into a shell. */
#include "vmm/cli/rerun_command.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/cli/options_format.h"

/* Characters that mean nothing to a shell, wherever they stand in a word. */
static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
			    "%+,-./:=@_";

/*
 * Quotes are needed for anything else. Within them all is plain but the quote itself, and
 * control characters, which would break the line: those are written as $'\ooo'.
 */
void rerun_command_quote(FILE *out, const char *word)
{
	if (*word && word[strspn(word, plain)] == 0) {
		fputs(word, out);
		return;
	}
	fputc('\'', out);
	for (const char *c = word; *c; c++) {
		unsigned char byte = (unsigned char)*c;

		if (byte == '\'')
			fputs("'\\''", out);
		else if (byte < ' ' || byte == 0x7f)
			fprintf(out, "'$'\\%03o''", byte);
		else
			fputc(byte, out);
	}
	fputc('\'', out);
}

static void print_option(void *context, const char *name, const char *value)
{
	FILE *out = context;

	fprintf(out, " --%s", name);
	if (!*value)
		return;
	fputc(' ', out);
	rerun_command_quote(out, value);
}

/* A name that begins with a dash would be read as an option. */
static void print_file(FILE *out, const char *path)
{
	fputs(path[0] == '-' ? " ./" : " ", out);
	rerun_command_quote(out, path);
}

static void print_guest_args(FILE *out, const char *args)
{
	char words[MV_ARGS_BYTES], *rest = words;

	if (!*args)
		return;
	snprintf(words, sizeof(words), "%s", args);
	fputs(" --", out);
	for (char *word; (word = strsep(&rest, " "));) {
		fputc(' ', out);
		rerun_command_quote(out, word);
	}
}

void rerun_command_print(FILE *out, const struct options *o)
{
	const char *schedule = o->record_path ? o->record_path : o->replay_path;

	rerun_command_quote(out, o->program ? o->program : "minivmm");
	options_visit(o, false, print_option, out);
	if (o->no_sandbox)
		fputs(" --no-sandbox", out);
	if (schedule) {
		fputs(" --replay", out);
		print_file(out, schedule);
	}
	print_file(out, o->guest_path);
	print_guest_args(out, o->guest_args);
}

char *rerun_command_make(const struct options *o)
{
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	rerun_command_print(out, o);
	if (fclose(out) == 0)
		return text;
	free(text);
	return NULL;
}
