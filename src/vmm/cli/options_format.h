/* SPDX-License-Identifier: MIT */
/* The options of a run as words again: what a command line would have to say. Pure. */
#ifndef VMM_OPTIONS_FORMAT_H
#define VMM_OPTIONS_FORMAT_H

#include <stdbool.h>

#include "vmm/cli/options.h"

typedef void option_visitor(void *context, const char *name, const char *value);

/*
 * Calls `visit` for each option that decides what a run does, with its name, without
 * the dashes, and its value as the option takes it ("" if it takes none): for those that are set to
 * their default only if `all`. What a run prints and writes is left out, --json and the like.
 */
void options_visit(const struct options *o, bool all, option_visitor *visit, void *context);

/* The option's name if options_visit() may name it, from a constant table; or NULL. */
const char *options_find_visited(const char *name);
bool options_visited_is_flag(const char *name);

#endif
