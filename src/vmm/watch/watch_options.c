/* SPDX-License-Identifier: MIT */
/* The command line of `minivmm watch`. */
#include "vmm/watch/watch_options.h"

#include <limits.h>
#include <string.h>

#include "vcpu/base/clock.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/parse.h"

#define MIN_INTERVAL_NS (100 * NS_PER_MS)

static int set_time(void *target, const struct command_row *row, const char *value,
		    struct error *err)
{
	struct watch_options *o = target;
	bool is_interval = strcmp(row->name, "interval") == 0;
	const char *why = parse_time(value, is_interval ? &o->interval_ns : &o->time_ns);

	if (!why && is_interval && o->interval_ns < MIN_INTERVAL_NS)
		why = "is too short: give 100ms or more";
	if (!why && !is_interval && o->time_ns == 0)
		why = "is no time at all: give how long to watch";
	return why ? error_set(err, EXIT_USAGE, "watch: --%s '%s' %s", row->name, value, why) : 0;
}

static int set_text(void *target, const struct command_row *row, const char *value,
		    struct error *err)
{
	struct watch_options *o = target;

	(void)err;
	if (strcmp(row->name, "trace") == 0)
		o->trace = value;
	else
		o->threads = value;
	return 0;
}

COMMAND_FLAG_SETTER(all, struct watch_options, all, true)
COMMAND_FLAG_SETTER(json, struct watch_options, json, true)
COMMAND_FLAG_SETTER(help, struct watch_options, help, true)

static const struct command_row rows[] = {
	{ "time", "TIME", "how long to watch (until the VMM ends, or Ctrl-C)", set_time },
	{ "interval", "TIME", "between two tables on a terminal (1s)", set_time },
	{ "threads", "PATTERN", "threads with such names, as in 'CPU */KVM' (vCPUs)", set_text },
	{ "all", NULL, "every thread of the process", set_all },
	{ "json", NULL, "print the counters as JSON", set_json },
	{ "trace", "FILE", "write what happened as a trace for Perfetto", set_text },
	{ "help", NULL, "print this", set_help },
};

static int take_operand(void *target, const char *word, struct error *err)
{
	struct watch_options *o = target;
	uint64_t number;
	const char *why = parse_number(word, &number);

	if (!why && (number == 0 || number > INT_MAX))
		why = "is no process: give the number of a running VMM's";
	if (!why && o->pid)
		why = "is one too many: give one process";
	if (why)
		return error_set(err, EXIT_USAGE, "watch: '%s' %s", word, why);
	o->pid = (pid_t)number;
	return 0;
}

static const struct command_table table = {
	.nr = sizeof(rows) / sizeof(rows[0]),
	.row = rows,
	.operand = take_operand,
};

int watch_options_parse(int argc, char *const argv[], struct watch_options *ret_options,
			struct error *err)
{
	struct watch_options *o = ret_options;
	int rest;

	*o = (struct watch_options){ .interval_ns = NS_PER_S };
	if (command_line_parse(argc, argv, &table, o, &rest, err))
		return -1;
	for (; rest < argc; rest++) {
		if (take_operand(o, argv[rest], err))
			return -1;
	}
	if (o->help)
		return 0;
	if (o->all && o->threads)
		return error_set(err, EXIT_USAGE, "watch: --all and --threads: give one of them");
	if (!o->pid)
		return error_set(err, EXIT_USAGE,
				 "watch: which VMM? Give its process: minivmm watch PID");
	return 0;
}

void watch_options_print_help(FILE *out)
{
	fputs("Usage: minivmm watch [OPTION...] PID\n"
	      "\n"
	      "Tells how often and for how long the host preempted the vCPUs of a running VMM\n"
	      "(QEMU, Firecracker, kvmtool, minivmm itself), and how often inside KVM_RUN.\n"
	      "Needs root or CAP_PERFMON, or the same user and kernel.perf_event_paranoid <= 1\n"
	      "(with 2 all but KVM_RUN is seen).\n"
	      "\n",
	      out);
	command_line_print_rows(out, &table);
}
