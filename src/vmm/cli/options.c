/* SPDX-License-Identifier: MIT */
/* The command line of a run: options and operands, their defaults and rules, --help. */
#include "vmm/cli/options.h"

#include <string.h>

#include "vcpu/base/clock.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/names.h"

#define DIRTY_EVERY_NS	  20000000	  /* several harvests in the shortest of phases */
#define TIMEOUT_MARGIN_NS (30 * NS_PER_S) /* what the timeout allows beyond the durations */

/* ---- what is not an option ------------------------------------------------- */

static int take_guest(struct options *o, const char *operand, struct error *err)
{
	if (!*operand)
		return error_set(err, EXIT_USAGE, "the guest's file name is empty");
	if (o->guest_path)
		return error_set(err, EXIT_USAGE,
				 "'%s' is one file too many after '%s': there is one guest, and "
				 "what is meant for it follows '--'",
				 operand, o->guest_path);
	o->guest_path = operand;
	return 0;
}

/* A space separates the words in the guest, so a word must not contain one. Only a guest of
 * abi.h needs to be told such words, so this is not the place to refuse others. */
static bool is_guest_word(const char *word)
{
	const char *equals = strchr(word, '=');

	return equals && equals != word && !strpbrk(word, " \t\n\r\v\f");
}

static int take_guest_args(struct options *o, char *const words[], struct error *err)
{
	size_t used = 0;

	for (; *words; words++) {
		if (!is_guest_word(*words) && !o->free_word)
			o->free_word = *words;
		size_t room = sizeof(o->guest_args) - used;
		int n = snprintf(o->guest_args + used, room, "%s%s", used ? " " : "", *words);
		if (n < 0 || (size_t)n >= room)
			return error_set(
				err, EXIT_USAGE,
				"the guest's arguments are too long: at most %d characters",
				MV_ARGS_BYTES - 1);
		used += (size_t)n;
	}
	return 0;
}

/* ---- defaults, and rules about more than one option -------------------------- */

void options_set_defaults(struct options *o)
{
	*o = (struct options){
		.command = COMMAND_RUN,
		.nr_vms = 1,
		.mem_bytes = 64 << 20,
		.slice_ns = 4000000,
		.slice_jitter_pct = 25,
		.sched = &sched_policies[POLICY_round_robin],
		.flush_via = FLUSH_CHOICE_auto,
		.dirty_every_ns = DIRTY_EVERY_NS,
		.duration_ns = 2 * NS_PER_S,
		.fault = FAULT_none,
	};
}

/* Siblings can run at the same time only if their slices begin at the same time. */
enum slice_alignment options_default_slice_alignment(const struct options *o)
{
	return o->sched->needs_alignment ? SLICES_aligned : SLICES_independent;
}

uint64_t options_default_timeout_ns(const struct options *o)
{
	return o->duration_ns * o->nr_mechanisms + TIMEOUT_MARGIN_NS;
}

static int complete_slice_alignment(struct options *o, struct error *err)
{
	if (!o->slice_alignment_given)
		o->slice_alignment = options_default_slice_alignment(o);
	if (o->sched->needs_alignment && o->slice_alignment != SLICES_aligned)
		return error_set(err, EXIT_USAGE,
				 "--sched %s needs --slice-alignment aligned, not %s",
				 o->sched->name, slice_alignment_names.name[o->slice_alignment]);
	return 0;
}

/* The host's scheduler asks nobody how long a thread shall run. */
static int check_scheduler(const struct options *o, struct error *err)
{
	if (!o->sched->is_hosts || !o->slice_option)
		return 0;
	return error_set(err, EXIT_USAGE,
			 "--sched %s and --%s exclude each other: the host's scheduler decides who "
			 "runs and for how long, leave one of them out",
			 o->sched->name, o->slice_option);
}

/* Each mechanism a second time, behind all of them: whoever asks for dirty tracking wants to
 * know what it costs. */
static int add_tracked(struct options *o, struct error *err)
{
	unsigned nr = o->nr_mechanisms;

	if (o->fault == FAULT_drop_dirty_entry && o->dirty == DIRTY_none)
		o->dirty = DIRTY_bitmap;
	if (o->dirty == DIRTY_none)
		return 0;
	if (2 * nr > MV_MAX_MECHANISMS)
		return error_set(err, EXIT_USAGE,
				 "--dirty measures every mechanism twice: name at most %u in "
				 "--shootdown, not %u",
				 MV_MAX_MECHANISMS / 2, nr);
	if (o->record_path || o->replay_path)
		return error_set(err, EXIT_USAGE,
				 "--dirty and --%s exclude each other: no schedule says when pages "
				 "are harvested",
				 o->record_path ? "record" : "replay");
	for (unsigned i = 0; i < nr; i++) {
		o->mechanism[nr + i] = o->mechanism[i];
		o->mechanism_label[nr + i] = mechanism_tracked_name(o->mechanism[i], o->dirty);
	}
	o->nr_tracked = nr;
	o->nr_mechanisms = 2 * nr;
	return 0;
}

bool options_mechanism_is_tracked(const struct options *o, unsigned i)
{
	return i >= o->nr_mechanisms - o->nr_tracked;
}

/* Fills in the defaults that depend on other options, and checks what all of them say. */
static int complete(struct options *o, const struct host_cpus *allowed, struct error *err)
{
	if (!o->guest_path)
		return error_set(err, EXIT_USAGE,
				 "no guest given: minivmm [OPTIONS] GUEST.ELF [-- KEY=VALUE ...]");
	if (o->quiet && o->verbose)
		return error_set(err, EXIT_USAGE, "--quiet and --verbose exclude each other");
	if (host_cpus_check(allowed, err))
		return -1;
	if (o->pcpus.nr == 0)
		o->pcpus = allowed->inherited;
	if (host_cpus_check_list(allowed, &o->pcpus, err))
		return -1;
	if (o->nr_vcpus == 0)
		o->nr_vcpus = 2 * o->pcpus.nr < MV_MAX_VCPUS ? 2 * o->pcpus.nr : MV_MAX_VCPUS;
	o->shootdown_given = o->nr_mechanisms > 0;
	if (!o->shootdown_given && option_find("shootdown")->set(o, fault_shootdown(o->fault), err))
		return -1;
	if (check_scheduler(o, err) || complete_slice_alignment(o, err) || add_tracked(o, err))
		return -1;
	if (o->timeout_ns == 0)
		o->timeout_ns = options_default_timeout_ns(o);
	return 0;
}

/* ---- the parser --------------------------------------------------------------- */

static int set_row(void *target, const struct command_row *row, const char *value,
		   struct error *err)
{
	return options_set(target, row->name, value, err);
}

static int take_operand(void *target, const char *operand, struct error *err)
{
	return take_guest(target, operand, err);
}

/* --help and the like: whatever else is there goes unread. */
static bool is_done(const void *target)
{
	const struct options *o = target;

	return o->command != COMMAND_RUN;
}

static struct command_table make_table(struct command_row row[COMMAND_LINE_ROWS])
{
	for (unsigned i = 0; i < nr_option_rows; i++) {
		row[i] = (struct command_row){
			.name = option_table[i].name,
			.value = option_table[i].value,
			.help = option_table[i].help,
			.set = set_row,
		};
	}
	return (struct command_table){
		.nr = nr_option_rows, .row = row, .operand = take_operand, .is_done = is_done
	};
}

int options_set(struct options *o, const char *name, const char *value, struct error *err)
{
	const struct option_row *row = option_find(name);

	if (row->flags & OPTION_OF_ABI)
		o->abi_option = row->name;
	if (row->flags & OPTION_OF_SLICES)
		o->slice_option = row->name;
	return row->set(o, value, err);
}

int options_parse(int argc, char *const argv[], const struct host_cpus *allowed,
		  struct options *ret_options, struct error *err)
{
	struct options defaults;

	options_set_defaults(&defaults);
	return options_parse_over(&defaults, argc, argv, allowed, ret_options, err);
}

int options_parse_over(const struct options *defaults, int argc, char *const argv[],
		       const struct host_cpus *allowed, struct options *ret_options,
		       struct error *err)
{
	struct command_row rows[COMMAND_LINE_ROWS];
	struct command_table table = make_table(rows);
	struct options o = *defaults;
	int rest;

	o.program = argc > 0 ? argv[0] : NULL;
	if (command_line_parse(argc, argv, &table, &o, &rest, err))
		return -1;
	if (o.command == COMMAND_RUN &&
	    (take_guest_args(&o, argv + rest, err) || complete(&o, allowed, err)))
		return -1;
	*ret_options = o;
	return 0;
}

/* ---- --help and --list --------------------------------------------------------- */

void options_print_help(FILE *out)
{
	struct command_row rows[COMMAND_LINE_ROWS];
	struct command_table table = make_table(rows);

	fputs("Usage: minivmm [OPTIONS] GUEST.ELF [-- KEY=VALUE ...]\n"
	      "       minivmm host [--json]\n"
	      "       minivmm trace-stats FILE\n"
	      "\n"
	      "Runs a guest whose vCPUs outnumber the host CPUs and measures its TLB\n"
	      "shootdowns, by IPI and paravirtual, side by side. What follows \"--\" goes to\n"
	      "the guest, as in scenario=ebizzy. Defaults are in parentheses.\n"
	      "\n"
	      "minivmm host tells what this host's KVM is and what it was seen to do.\n"
	      "\n",
	      out);
	command_line_print_rows(out, &table);
	fputs("\n"
	      "minivmm sweep runs a matrix of such runs and makes a report, minivmm merge joins\n"
	      "the parts of one: see minivmm sweep --help.\n"
	      "\n"
	      "Exit status: 0 passed; 1 the guest failed, hung or read a stale translation;\n"
	      "2 usage or bad input; 3 the host lacks something; 4 inconclusive;\n"
	      "128 + n ended by signal n.\n",
	      out);
}

void options_print_list(FILE *out)
{
	name_tables_print(out);
}
