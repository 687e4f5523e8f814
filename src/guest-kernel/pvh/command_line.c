/* SPDX-License-Identifier: MIT */
/* The command line, which says what minivmm's options say elsewhere. */
#include "guest-kernel/pvh/command_line.h"

#include "guest-kernel/base/console.h"
#include "guest-kernel/base/lib.h"
#include "guest-kernel/mechanisms/mechanisms.h"
#include "guest-kernel/pvh/phases.h"
#include "guest-kernel/pvh/serial.h"
#include "guest-kernel/pvh/shared.h"
#include "guest-kernel/scenarios/args.h"

#define DEFAULT_DURATION_MS 1000

static void add_mechanisms(char *list)
{
	for (char *name = list, *next; *name; name = next) {
		next = args_split(name, ',');
		const struct mechanism *m = mechanism_find(name);

		if (pvh_boot.nr_mechanisms == MV_MAX_MECHANISMS)
			serial_refuse("shootdown=: too many mechanisms");
		if (m && m->host & (MV_HOST_FLUSHES | MV_HOST_MARKS_HALTED))
			serial_refuse("shootdown=: this mechanism needs minivmm");
		str_copy(pvh_boot.mechanism[pvh_boot.nr_mechanisms++], name, MV_NAME_BYTES);
	}
}

static void add_arg(const char *key, const char *value)
{
	struct line args = { 0 };

	line_add(&args, pvh_boot.args);
	line_add(&args, " ");
	line_add(&args, key);
	line_add(&args, "=");
	line_add(&args, value);
	str_copy(pvh_boot.args, args.text, sizeof(pvh_boot.args));
}

uint64_t command_line_parse(const char *command_line)
{
	uint64_t duration_ms = DEFAULT_DURATION_MS;
	char text[MV_ARGS_BYTES];

	str_copy(text, command_line, sizeof(text));
	for (char *word = text, *next; *word; word = next) {
		next = args_split(word, ' ');
		char *value = args_split(word, '=');

		if (str_equal(word, "shootdown"))
			add_mechanisms(value);
		else if (str_equal(word, "duration_ms"))
			duration_ms = args_number(value);
		else if (*word)
			add_arg(word, value);
	}
	if (duration_ms < PHASE_MS || duration_ms > 1000000)
		serial_refuse("duration_ms=: expected a whole number from 50 to 1000000");
	if (pvh_boot.nr_mechanisms == 0)
		add_mechanisms((char[]){ "ipi" });
	return duration_ms;
}
