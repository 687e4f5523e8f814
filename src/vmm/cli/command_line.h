/* SPDX-License-Identifier: MIT */
/* A command line: long options from a table, then operands. Pure. */
#ifndef VMM_COMMAND_LINE_H
#define VMM_COMMAND_LINE_H

#include <stdbool.h>
#include <stdio.h>

#include "vcpu/base/error.h"

#define COMMAND_LINE_ROWS 64

struct command_row {
	const char *name;  /* without the dashes */
	const char *value; /* what its value stands for, or NULL if it takes none */
	const char *help;  /* with the default in parentheses */
	/* Takes the value into `target`; returns 0, or -1 with the error set. */
	int (*set)(void *target, const struct command_row *row, const char *value,
		   struct error *err);
};

/* Defines set_<name>() for an option without a value: it sets a field of a `type`. */
#define COMMAND_FLAG_SETTER(name, type, field, set)                                           \
	static int set_##name(void *target, const struct command_row *row, const char *value, \
			      struct error *err)                                              \
	{                                                                                     \
		type *t = target;                                                             \
                                                                                              \
		(void)row, (void)value, (void)err;                                            \
		t->field = set;                                                               \
		return 0;                                                                     \
	}

struct command_table {
	unsigned nr; /* at most COMMAND_LINE_ROWS */
	const struct command_row *row;
	/* Takes what is no option. */
	int (*operand)(void *target, const char *word, struct error *err);
	/* Called after each option: true leaves the rest unread. NULL: all is read. */
	bool (*is_done)(const void *target);
};

/*
 * Gives every option and operand to its setter, in the order of the command line, up
 * to "--". *ret_rest is the index of the first word behind it, or argc. Returns 0, or
 * -1 with EXIT_USAGE.
 */
int command_line_parse(int argc, char *const argv[], const struct command_table *table,
		       void *target, int *ret_rest, struct error *err);

/* Prints the options in columns, those without a help text left out. */
void command_line_print_rows(FILE *out, const struct command_table *table);

#endif
