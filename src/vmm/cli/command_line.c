/* SPDX-License-Identifier: MIT */
/* A command line, taken apart by getopt_long(). */
#define _GNU_SOURCE
#include "vmm/cli/command_line.h"

#include <getopt.h>
#include <string.h>

#include "minivmm/nearest.h"
#include "vmm/cli/parse.h"

/* What getopt_long() returns for row 0, above every character, and for the first old name. */
#define FIRST_ROW      256
#define FIRST_OLD_NAME (FIRST_ROW + COMMAND_LINE_ROWS)

/* Options that have got another name. They go on working until the next release. */
static const struct {
	const char *old_name, *name;
} old_names[] = {
	{ "slice-phase", "slice-alignment" },
	{ "cell", "part" },
};
#define NR_OLD_NAMES (sizeof(old_names) / sizeof(old_names[0]))

static const struct command_row *find_row(const struct command_table *t, const char *name)
{
	for (unsigned i = 0; i < t->nr; i++) {
		if (strcmp(t->row[i].name, name) == 0)
			return &t->row[i];
	}
	return NULL;
}

/* The row that getopt_long() means; says so where it was asked for by its old name. */
static const struct command_row *row_of(const struct command_table *t, int c)
{
	if (c < FIRST_OLD_NAME)
		return &t->row[c - FIRST_ROW];
	const char *name = old_names[c - FIRST_OLD_NAME].name;
	fprintf(stderr, "minivmm: --%s is called --%s now: the old name will go\n",
		old_names[c - FIRST_OLD_NAME].old_name, name);
	return find_row(t, name);
}

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
				 row_of(t, rejected)->name);
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
		return missing_value(row_of(t, optopt), err);
	if (c == '?')
		return rejected_option(t, optopt, argument, err);
	const struct command_row *row = row_of(t, c);
	return row->set(target, row, optarg, err);
}

static struct option long_option(const char *name, const struct command_row *row, int value)
{
	return (struct option){
		.name = name,
		.has_arg = row->value ? required_argument : no_argument,
		.val = value,
	};
}

/* The rows, the old names of those that have one, and an empty entry. */
static void list_options(const struct command_table *t,
			 struct option list[COMMAND_LINE_ROWS + NR_OLD_NAMES + 1])
{
	for (unsigned i = 0; i < t->nr; i++)
		*list++ = long_option(t->row[i].name, &t->row[i], FIRST_ROW + (int)i);
	for (unsigned i = 0; i < NR_OLD_NAMES; i++) {
		const struct command_row *row = find_row(t, old_names[i].name);

		if (row)
			*list++ = long_option(old_names[i].old_name, row, FIRST_OLD_NAME + (int)i);
	}
	*list = (struct option){ 0 };
}

int command_line_parse(int argc, char *const argv[], const struct command_table *table,
		       void *target, int *ret_rest, struct error *err)
{
	struct option long_options[COMMAND_LINE_ROWS + NR_OLD_NAMES + 1];
	int c;

	list_options(table, long_options);
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
