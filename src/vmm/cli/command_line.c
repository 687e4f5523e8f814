/* SPDX-License-Identifier: MIT */
/* A command line, taken apart by getopt_long(). */
#define _GNU_SOURCE
#include "vmm/cli/command_line.h"

#include <getopt.h>
#include <string.h>

#include "minivmm/nearest.h"
#include "vmm/cli/parse.h"

/* What getopt_long() returns for row 0; above every character. */
#define FIRST_ROW 256

/* A long option that is none, or one cut so short that several begin like it. */
static int unknown_option(const struct command_table *t, const char *argument, struct error *err)
{
	const char *names[COMMAND_LINE_ROWS];
	char word[PARSE_WORD_BYTES];
	unsigned beginning = 0;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	for (unsigned i = 0; i < t->nr; i++) {
		names[i] = t->row[i].name;
		beginning += mv_is_prefix(word, names[i]);
	}
	if (beginning > 1)
		return error_set(err, EXIT_USAGE,
				 "option '--%s' is short for several: write it in full", word);
	const char *nearest = mv_nearest(word, names, t->nr);
	if (nearest)
		return error_set(err, EXIT_USAGE, "unknown option '--%s': did you mean '--%s'?",
				 word, nearest);
	return error_set(err, EXIT_USAGE, "unknown option '--%s': --help names them all", word);
}

/* `rejected` is what getopt left in optopt, `argument` the word that it was looking at. */
static int rejected_option(const struct command_table *t, int rejected, const char *argument,
			   struct error *err)
{
	if (rejected >= FIRST_ROW)
		return error_set(err, EXIT_USAGE, "option '--%s' takes no value",
				 t->row[rejected - FIRST_ROW].name);
	if (rejected)
		return error_set(err, EXIT_USAGE,
				 "unknown option '-%c': options are long, --help names them all",
				 rejected);
	return unknown_option(t, argument, err);
}

static int missing_value(const struct command_row *row, struct error *err)
{
	return error_set(err, EXIT_USAGE, "option '--%s' needs a value: --%s %s", row->name,
			 row->name, row->value);
}

static int take(const struct command_table *t, int c, const char *argument, void *target,
		struct error *err)
{
	if (c == 1)
		return t->operand(target, optarg, err);
	if (c == ':')
		return missing_value(&t->row[optopt - FIRST_ROW], err);
	if (c == '?')
		return rejected_option(t, optopt, argument, err);
	const struct command_row *row = &t->row[c - FIRST_ROW];
	return row->set(target, row, optarg, err);
}

int command_line_parse(int argc, char *const argv[], const struct command_table *table,
		       void *target, int *ret_rest, struct error *err)
{
	struct option long_options[COMMAND_LINE_ROWS + 1] = { 0 };
	int c;

	for (unsigned i = 0; i < table->nr; i++) {
		long_options[i] = (struct option){
			.name = table->row[i].name,
			.has_arg = table->row[i].value ? required_argument : no_argument,
			.val = FIRST_ROW + (int)i,
		};
	}
	opterr = 0;
	optind = 0; /* glibc: start afresh */
	/* "-": operands come in their places, so that what follows "--" can be told from them. */
	while ((c = getopt_long(argc, argv, "-:", long_options, NULL)) != -1) {
		if (take(table, c, argv[optind - 1], target, err))
			return -1;
		if (table->is_done && table->is_done(target))
			break;
	}
	*ret_rest = optind;
	return 0;
}

#define USAGE_BYTES 40

static int format_usage(char usage[USAGE_BYTES], const struct command_row *row)
{
	return snprintf(usage, USAGE_BYTES, "--%s%s%s", row->name, row->value ? " " : "",
			row->value ? row->value : "");
}

void command_line_print_rows(FILE *out, const struct command_table *table)
{
	char usage[USAGE_BYTES];
	int width = 0;

	for (unsigned i = 0; i < table->nr; i++) {
		int length = table->row[i].help ? format_usage(usage, &table->row[i]) : 0;

		width = length > width ? length : width;
	}
	for (unsigned i = 0; i < table->nr; i++) {
		if (!table->row[i].help)
			continue;
		format_usage(usage, &table->row[i]);
		fprintf(out, "  %-*s  %s\n", width, usage, table->row[i].help);
	}
}
