/* SPDX-License-Identifier: MIT */
/* The command line of `minivmm lab`. */
#include "vmm/lab/lab_options.h"

#include <string.h>

#include "vmm/cli/command_line.h"
#include "vmm/cli/parse.h"

static int bad_value(const struct command_row *row, const char *value, const char *why,
		     struct error *err)
{
	return error_set(err, EXIT_USAGE, "lab: --%s '%s' %s", row->name, value, why);
}

static int set_machine(void *target, const struct command_row *row, const char *value,
		       struct error *err)
{
	struct lab_options *o = target;

	o->machine = strcmp(value, "vmx") == 0 ? LAB_VMX : LAB_SVM;
	o->machine_given = true;
	if (o->machine == LAB_VMX || strcmp(value, "svm") == 0)
		return 0;
	return bad_value(row, value, "is no machine: give svm or vmx", err);
}

static int set_paging(void *target, const struct command_row *row, const char *value,
		      struct error *err)
{
	struct lab_options *o = target;

	o->shadow = strcmp(value, "shadow") == 0;
	if (o->shadow || strcmp(value, "nested") == 0)
		return 0;
	return bad_value(row, value, "is no kind of paging: give nested or shadow", err);
}

static int set_pcpus(void *target, const struct command_row *row, const char *value,
		     struct error *err)
{
	struct lab_options *o = target;
	uint64_t number;
	const char *why = parse_number(value, &number);

	if (!why && (number == 0 || number > LAB_MAX_PCPUS))
		why = "is out of range: give 1 to 32, the number of CPUs of the machine";
	if (why)
		return bad_value(row, value, why, err);
	o->pcpus = (unsigned)number;
	return 0;
}

static int set_memory(void *target, const struct command_row *row, const char *value,
		      struct error *err)
{
	struct lab_options *o = target;
	uint64_t bytes;
	const char *why = parse_size(value, &bytes);

	if (!why && bytes < LAB_MIN_MEMORY)
		why = "is too little for a machine: give 256M or more";
	if (why)
		return bad_value(row, value, why, err);
	o->memory_bytes = bytes;
	return 0;
}

static int set_timeout(void *target, const struct command_row *row, const char *value,
		       struct error *err)
{
	struct lab_options *o = target;
	const char *why = parse_time(value, &o->timeout_ns);

	return why ? bad_value(row, value, why, err) : 0;
}

static int set_text(void *target, const struct command_row *row, const char *value,
		    struct error *err)
{
	struct lab_options *o = target;

	(void)err;
	if (strcmp(row->name, "kernel") == 0)
		o->kernel = value;
	else if (strcmp(row->name, "modules") == 0)
		o->modules = value;
	else
		o->keep = value;
	return 0;
}

static int add_include(void *target, const struct command_row *row, const char *value,
		       struct error *err)
{
	struct lab_options *o = target;

	if (o->nr_includes == LAB_MAX_INCLUDES)
		return bad_value(row, value, "is one too many: at most 1024", err);
	o->include[o->nr_includes++] = value;
	return 0;
}

COMMAND_FLAG_SETTER(exec, struct lab_options, exec, true)
COMMAND_FLAG_SETTER(shell, struct lab_options, shell, true)
COMMAND_FLAG_SETTER(repeatable, struct lab_options, repeatable, true)
COMMAND_FLAG_SETTER(help, struct lab_options, help, true)

static const struct command_row rows[] = {
	{ "machine", "KIND", "svm (by QEMU) or vmx (by Bochs) (svm)", set_machine },
	{ "repeatable", NULL, "same arguments, same bytes, on any host (vmx)", set_repeatable },
	{ "paging", "KIND", "of guests: nested or shadow page tables (nested)", set_paging },
	{ "pcpus", "N", "CPUs of the machine, 1 to 32 (2)", set_pcpus },
	{ "memory", "SIZE", "of the machine (1G)", set_memory },
	{ "kernel", "FILE", "its kernel (what ./dev fetched, else the running one)", set_text },
	{ "modules", "DIR", "where its modules are, in any depth", set_text },
	{ "include", "PATH", "a file or directory that is there inside, too", add_include },
	{ "exec", NULL, "run another program than minivmm", set_exec },
	{ "shell", NULL, "a shell inside, in this terminal", set_shell },
	{ "keep", "DIR", "leave the console's log, the image and the command line there",
	  set_text },
	{ "timeout", "TIME", "end the machine after so long (never)", set_timeout },
	{ "help", NULL, "print this", set_help },
};

static int take_operand(void *target, const char *word, struct error *err)
{
	struct lab_options *o = target;

	(void)word, (void)err;
	o->operand = true;
	return 0;
}

static bool is_done(const void *target)
{
	const struct lab_options *o = target;

	return o->operand || o->help;
}

static const struct command_table table = {
	.nr = sizeof(rows) / sizeof(rows[0]),
	.row = rows,
	.operand = take_operand,
	.is_done = is_done,
};

int lab_options_parse(int argc, char *const argv[], struct lab_options *ret_options, int *ret_rest,
		      struct error *err)
{
	struct lab_options *o = ret_options;

	*o = (struct lab_options){ .pcpus = 2, .memory_bytes = 1ull << 30 };
	if (command_line_parse(argc, argv, &table, o, ret_rest, err))
		return -1;
	*ret_rest -= o->operand;
	if (o->help)
		return 0;
	if (o->shell && o->exec)
		return error_set(err, EXIT_USAGE, "lab: --shell and --exec: give one of them");
	if (o->repeatable && o->shell)
		return error_set(
			err, EXIT_USAGE,
			"lab: --repeatable: what is typed into --shell cannot be repeated");
	if (o->repeatable && o->machine_given && o->machine == LAB_SVM)
		return error_set(
			err, EXIT_USAGE,
			"lab: --repeatable needs --machine vmx: QEMU's clock is not one of "
			"instructions here");
	if (o->repeatable)
		o->machine = LAB_VMX;
	if (*ret_rest == argc && !o->shell)
		return error_set(err, EXIT_USAGE,
				 "lab: what shall run in the machine? Put it behind "
				 "the options: minivmm lab guest.elf");
	return 0;
}

void lab_options_print_help(FILE *out)
{
	fputs("Usage: minivmm lab [LAB-OPTION...] [--] ARGUMENT...\n"
	      "\n"
	      "Runs `minivmm ARGUMENT...` in an emulated machine that has KVM, where none is.\n"
	      "Options of minivmm need the `--` in front. Files that it reads are taken in, and\n"
	      "what it writes by --json, --trace, --record and --out appears outside.\n"
	      "\n",
	      out);
	command_line_print_rows(out, &table);
}
