/* SPDX-License-Identifier: MIT */
/* The command line of minivmm: one row of a table, and one setter, per option. */
#include "options.h"

#include <getopt.h>
#include <string.h>

#include "minivmm/nearest.h"
#include "names.h"
#include "parse.h"

#define NS_PER_SECOND	  1000000000ull
#define TIME_MAX_NS	  (24 * 3600 * NS_PER_SECOND)
#define SLICE_MIN_NS	  10000ull
#define SLICE_MAX_NS	  (10 * NS_PER_SECOND)
#define JITTER_MAX	  90
#define PAGE_BYTES	  4096
#define TIMEOUT_MARGIN_NS (30 * NS_PER_SECOND) /* what the timeout allows beyond the durations */

/* What getopt_long() returns for row 0; above every character. */
#define FIRST_ROW 256

static int bad_value(struct error *err, const char *option, const char *value, const char *why)
{
	return error_set(err, EXIT_USAGE, "--%s '%s' %s", option, value, why);
}

/* ---- setters: one for each row of the table ------------------------------- */

static int take_count(const char *option, const char *value, uint64_t max, unsigned *ret_count,
		      struct error *err)
{
	uint64_t number;
	const char *why = parse_number(value, &number);

	if (why)
		return bad_value(err, option, value, why);
	if (number == 0 || number > max)
		return error_set(err, EXIT_USAGE, "--%s '%s' is out of range: give 1 to %ju",
				 option, value, (uintmax_t)max);
	*ret_count = (unsigned)number;
	return 0;
}

static int take_time(const char *option, const char *value, uint64_t *ret_ns, struct error *err)
{
	uint64_t ns;
	const char *why = parse_time(value, &ns);

	if (!why && ns == 0)
		why = "is no time at all: give more than 0";
	if (!why && ns > TIME_MAX_NS)
		why = "is too long: 24h are the most";
	if (why)
		return bad_value(err, option, value, why);
	*ret_ns = ns;
	return 0;
}

static int unknown_name(const char *option, const struct name_table *table, const char *name,
			struct error *err)
{
	const char *nearest = mv_nearest(name, table->name, table->nr);

	if (nearest)
		return error_set(err, EXIT_USAGE, "--%s: there is no %s '%s': did you mean '%s'?",
				 option, table->one, name, nearest);
	return error_set(err, EXIT_USAGE, "--%s: there is no %s '%s': --list names them all",
			 option, table->one, name);
}

static int take_name(const char *option, const struct name_table *table, const char *value,
		     const char **ret_name, struct error *err)
{
	const char *name = name_table_find(table, value);

	if (!name)
		return unknown_name(option, table, value, err);
	*ret_name = name;
	return 0;
}

static int set_vcpus(struct options *o, const char *value, struct error *err)
{
	return take_count("vcpus", value, MV_MAX_VCPUS, &o->nr_vcpus, err);
}

static int set_vms(struct options *o, const char *value, struct error *err)
{
	return take_count("vms", value, MAX_VMS, &o->nr_vms, err);
}

/* Whether they may be used is checked at the end, against the CPUs that are allowed. */
static int set_pcpus(struct options *o, const char *value, struct error *err)
{
	const char *why = parse_cpu_list(value, &o->pcpus);

	return why ? bad_value(err, "pcpus", value, why) : 0;
}

static int set_mem(struct options *o, const char *value, struct error *err)
{
	uint64_t bytes;
	const char *why = parse_size(value, &bytes);

	if (!why && (bytes < MV_MEM_MIN_BYTES || bytes > MV_MEM_MAX_BYTES))
		why = "is out of range: give 4M to 3G";
	if (!why && bytes % PAGE_BYTES)
		why = "is not a whole number of 4K pages";
	if (why)
		return bad_value(err, "mem", value, why);
	o->mem_bytes = bytes;
	return 0;
}

static int set_slice(struct options *o, const char *value, struct error *err)
{
	uint64_t ns = 0;

	if (take_time("slice", value, &ns, err))
		return -1;
	if (ns < SLICE_MIN_NS || ns > SLICE_MAX_NS)
		return bad_value(err, "slice", value, "is out of range: give 10us to 10s");
	o->slice_ns = ns;
	return 0;
}

static int set_slice_jitter(struct options *o, const char *value, struct error *err)
{
	uint64_t pct;
	const char *why = parse_percent(value, &pct);

	if (!why && pct > JITTER_MAX)
		why = "is out of range: give 0 to 90";
	if (why)
		return bad_value(err, "slice-jitter", value, why);
	o->slice_jitter_pct = (unsigned)pct;
	return 0;
}

static int set_slice_phase(struct options *o, const char *value, struct error *err)
{
	return take_name("slice-phase", &slice_phase_names, value, &o->slice_phase, err);
}

static int set_grace(struct options *o, const char *value, struct error *err)
{
	if (strcmp(value, "0") == 0) { /* what goes without saying, for lists of a sweep */
		o->grace_ns = 0;
		return 0;
	}
	return take_time("grace", value, &o->grace_ns, err);
}

static int set_sched(struct options *o, const char *value, struct error *err)
{
	return take_name("sched", &policy_names, value, &o->sched, err);
}

static int add_mechanism(struct options *o, const char *word, struct error *err)
{
	const char *name = NULL;

	if (take_name("shootdown", &mechanism_names, word, &name, err))
		return -1;
	for (unsigned i = 0; i < o->nr_mechanisms; i++) {
		if (o->mechanism[i] == name)
			return error_set(err, EXIT_USAGE,
					 "--shootdown names '%s' twice: name each mechanism once",
					 name);
	}
	o->mechanism[o->nr_mechanisms++] = name;
	return 0;
}

static int set_shootdown(struct options *o, const char *value, struct error *err)
{
	struct word_list words;
	const char *why = parse_word_list(value, &words);

	if (!why && words.nr > MV_MAX_MECHANISMS)
		why = "has too many names in it: one run compares at most 8";
	if (why)
		return bad_value(err, "shootdown", value, why);
	o->nr_mechanisms = 0;
	for (unsigned i = 0; i < words.nr; i++) {
		if (add_mechanism(o, words.word[i], err))
			return -1;
	}
	return 0;
}

static int set_flush_via(struct options *o, const char *value, struct error *err)
{
	return take_name("flush-via", &flush_prim_names, value, &o->flush_via, err);
}

static int set_mark_exits(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->mark_exits = true;
	return 0;
}

static int set_hide(struct options *o, const char *value, struct error *err)
{
	struct word_list words;
	const char *why = parse_word_list(value, &words), *name = NULL;

	if (why)
		return bad_value(err, "hide", value, why);
	for (unsigned i = 0; i < words.nr; i++) {
		if (take_name("hide", &feature_names, words.word[i], &name, err))
			return -1;
		o->hidden_features |= feature_bit(name);
	}
	return 0;
}

static int set_duration(struct options *o, const char *value, struct error *err)
{
	return take_time("duration", value, &o->duration_ns, err);
}

static int set_count(struct options *o, const char *value, struct error *err)
{
	uint64_t count;
	const char *why = parse_number(value, &count);

	if (!why && count == 0)
		why = "measures nothing: give 1 or more";
	if (why)
		return bad_value(err, "count", value, why);
	o->count = count;
	return 0;
}

static int set_seed(struct options *o, const char *value, struct error *err)
{
	const char *why = parse_number(value, &o->seed);

	o->seed_given = true;
	return why ? bad_value(err, "seed", value, why) : 0;
}

static int set_inject(struct options *o, const char *value, struct error *err)
{
	return take_name("inject", &fault_names, value, &o->fault, err);
}

static int set_timeout(struct options *o, const char *value, struct error *err)
{
	return take_time("timeout", value, &o->timeout_ns, err);
}

static int take_path(const char *option, const char *value, const char **ret_path,
		     struct error *err)
{
	if (!*value)
		return bad_value(err, option, value, "is not the name of a file");
	*ret_path = value;
	return 0;
}

static int set_record(struct options *o, const char *value, struct error *err)
{
	return take_path("record", value, &o->record_path, err);
}

static int set_replay(struct options *o, const char *value, struct error *err)
{
	return take_path("replay", value, &o->replay_path, err);
}

static int set_json(struct options *o, const char *value, struct error *err)
{
	return take_path("json", value, &o->json_path, err);
}

static int set_trace(struct options *o, const char *value, struct error *err)
{
	return take_path("trace", value, &o->trace_path, err);
}

static int set_no_sandbox(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->no_sandbox = true;
	return 0;
}

static int set_list(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->command = COMMAND_LIST;
	return 0;
}

static int set_quiet(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->quiet = true;
	return 0;
}

static int set_verbose(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->verbose = true;
	return 0;
}

static int set_version(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->command = COMMAND_VERSION;
	return 0;
}

static int set_help(struct options *o, const char *value, struct error *err)
{
	(void)value, (void)err;
	o->command = COMMAND_HELP;
	return 0;
}

const struct option_row option_table[] = {
	{ "vcpus", "N", "vCPUs of each VM (twice the pCPUs)", set_vcpus },
	{ "vms", "N", "VMs that share the pCPUs (1)", set_vms },
	{ "pcpus", "LIST", "host CPUs that serve as pCPUs, as in 0-1,3 (all allowed)", set_pcpus },
	{ "mem", "SIZE", "memory of each guest, 4M to 3G (64M)", set_mem },
	{ "slice", "TIME", "time slice of a vCPU, 10us to 10s (4ms)", set_slice },
	{ "slice-jitter", "PCT", "vary each slice by up to this share (25)", set_slice_jitter },
	{ "slice-phase", "PHASE", "how slices of different pCPUs lie (independent)",
	  set_slice_phase },
	{ "grace", "TIME", "extend a slice once inside a shootdown (never)", set_grace },
	{ "sched", "POLICY", "which vCPU runs next (round-robin)", set_sched },
	{ "shootdown", "LIST", "mechanisms to measure in turn (ipi,pv)", set_shootdown },
	{ "flush-via", "PRIM", "how the host flushes a guest's TLB (auto)", set_flush_via },
	{ "mark-exits", NULL, "mark vCPUs while the VMM serves a store of theirs, too",
	  set_mark_exits },
	{ "hide", "LIST", "hide features from the guests' CPUID (none)", set_hide },
	{ "duration", "TIME", "how long each mechanism runs (2s)", set_duration },
	{ "count", "N", "end each mechanism after N shootdowns instead", set_count },
	{ "seed", "N", "everything random comes from it (drawn, and reported)", set_seed },
	{ "record", "FILE", "write the schedule of the run, for --replay", set_record },
	{ "replay", "FILE", "repeat a recorded schedule, with its options", set_replay },
	{ "inject", "FAULT", "break the protocol on purpose (none)", set_inject },
	{ "timeout", "TIME", "give up on a guest that hangs (all durations + 30s)", set_timeout },
	{ "json", "FILE", "write the whole result as JSON", set_json },
	{ "trace", "FILE", "write what happened as a trace for Perfetto", set_trace },
	{ "no-sandbox", NULL, "let the process make any system call while guests run",
	  set_no_sandbox },
	{ "list", NULL, "list what can be named above, and the scenarios", set_list },
	{ "quiet", NULL, "print the verdict, and how to repeat a failure", set_quiet },
	{ "verbose", NULL, "print more: the self-check, each vCPU, the guest's console",
	  set_verbose },
	{ "version", NULL, "print the version", set_version },
	{ "help", NULL, "print this", set_help },
};
const unsigned nr_option_rows = sizeof(option_table) / sizeof(option_table[0]);
#define NR_ROWS (sizeof(option_table) / sizeof(option_table[0]))

/* ---- what getopt_long() cannot take ---------------------------------------- */

/* A long option that is none, or one cut so short that several begin like it. */
static int unknown_option(const char *argument, struct error *err)
{
	const char *names[NR_ROWS];
	char word[PARSE_WORD_BYTES];
	unsigned beginning = 0;

	snprintf(word, sizeof(word), "%.*s", (int)strcspn(argument + 2, "="), argument + 2);
	for (unsigned i = 0; i < NR_ROWS; i++) {
		names[i] = option_table[i].name;
		beginning += mv_is_prefix(word, names[i]);
	}
	if (beginning > 1)
		return error_set(err, EXIT_USAGE,
				 "option '--%s' is short for several: write it in full", word);
	const char *nearest = mv_nearest(word, names, NR_ROWS);
	if (nearest)
		return error_set(err, EXIT_USAGE, "unknown option '--%s': did you mean '--%s'?",
				 word, nearest);
	return error_set(err, EXIT_USAGE, "unknown option '--%s': --help names them all", word);
}

/* `rejected` is what getopt left in optopt, `argument` the word that it was looking at. */
static int rejected_option(int rejected, const char *argument, struct error *err)
{
	if (rejected >= FIRST_ROW)
		return error_set(err, EXIT_USAGE, "option '--%s' takes no value",
				 option_table[rejected - FIRST_ROW].name);
	if (rejected)
		return error_set(err, EXIT_USAGE,
				 "unknown option '-%c': options are long, --help names them all",
				 rejected);
	return unknown_option(argument, err);
}

static int missing_value(int rejected, struct error *err)
{
	const struct option_row *row = &option_table[rejected - FIRST_ROW];

	return error_set(err, EXIT_USAGE, "option '--%s' needs a value: --%s %s", row->name,
			 row->name, row->value);
}

/* ---- what is not an option ------------------------------------------------- */

static int take_operand(struct options *o, const char *operand, struct error *err)
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

/* A space separates the words in the guest, so a word must not contain one. */
static bool is_guest_word(const char *word)
{
	const char *equals = strchr(word, '=');

	return equals && equals != word && !strpbrk(word, " \t\n\r\v\f");
}

static int take_guest_args(struct options *o, char *const words[], struct error *err)
{
	size_t used = 0;

	for (; *words; words++) {
		if (!is_guest_word(*words))
			return error_set(err, EXIT_USAGE,
					 "guest argument '%s' is not KEY=VALUE without blanks",
					 *words);
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
		.sched = "round-robin",
		.flush_via = "auto",
		.duration_ns = 2 * NS_PER_SECOND,
		.fault = "none",
	};
}

static int check_pcpus(const struct cpu_list *pcpus, const struct cpu_list *allowed,
		       struct error *err)
{
	char usable[128];

	for (unsigned i = 0; i < pcpus->nr; i++) {
		struct cpu_list before = *pcpus;

		before.nr = i;
		if (cpu_list_has(&before, pcpus->cpu[i]))
			return error_set(err, EXIT_USAGE, "--pcpus names CPU %d twice",
					 pcpus->cpu[i]);
		if (cpu_list_has(allowed, pcpus->cpu[i]))
			continue;
		cpu_list_format(allowed, usable, sizeof(usable));
		return error_set(err, EXIT_USAGE,
				 "--pcpus names CPU %d, which is offline or not allowed to this "
				 "process: choose from %s",
				 pcpus->cpu[i], usable);
	}
	return 0;
}

/* Siblings can run at the same time only if their slices begin at the same time. */
const char *options_default_slice_phase(const struct options *o)
{
	return strcmp(o->sched, "gang") == 0 ? "aligned" : "independent";
}

uint64_t options_default_timeout_ns(const struct options *o)
{
	return o->duration_ns * o->nr_mechanisms + TIMEOUT_MARGIN_NS;
}

static int complete_slice_phase(struct options *o, struct error *err)
{
	if (!o->slice_phase)
		o->slice_phase = options_default_slice_phase(o);
	if (strcmp(o->sched, "gang") == 0 && strcmp(o->slice_phase, "aligned") != 0)
		return error_set(err, EXIT_USAGE,
				 "--sched gang needs --slice-phase aligned, not %s",
				 o->slice_phase);
	return 0;
}

/* Fills in the defaults that depend on other options, and checks what all of them say. */
static int complete(struct options *o, const struct cpu_list *allowed, struct error *err)
{
	if (!o->guest_path)
		return error_set(err, EXIT_USAGE,
				 "no guest given: minivmm [OPTIONS] GUEST.ELF [-- KEY=VALUE ...]");
	if (o->quiet && o->verbose)
		return error_set(err, EXIT_USAGE, "--quiet and --verbose exclude each other");
	if (o->pcpus.nr == 0)
		o->pcpus = *allowed;
	if (check_pcpus(&o->pcpus, allowed, err))
		return -1;
	if (o->nr_vcpus == 0)
		o->nr_vcpus = 2 * o->pcpus.nr < MV_MAX_VCPUS ? 2 * o->pcpus.nr : MV_MAX_VCPUS;
	if (o->nr_mechanisms == 0 && set_shootdown(o, fault_shootdown(o->fault), err))
		return -1;
	if (complete_slice_phase(o, err))
		return -1;
	if (o->timeout_ns == 0)
		o->timeout_ns = options_default_timeout_ns(o);
	return 0;
}

/* ---- the parser --------------------------------------------------------------- */

static void make_getopt_table(struct option long_options[NR_ROWS + 1])
{
	for (unsigned i = 0; i < NR_ROWS; i++) {
		long_options[i] = (struct option){
			.name = option_table[i].name,
			.has_arg = option_table[i].value ? required_argument : no_argument,
			.val = FIRST_ROW + (int)i,
		};
	}
	long_options[NR_ROWS] = (struct option){ 0 };
}

/* Options that mean nothing to a guest that does not follow abi.h. */
static bool needs_abi(const char *option)
{
	static const char *const names[] = { "grace", "shootdown", "duration", "count", "inject" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(option, names[i]) == 0)
			return true;
	}
	return false;
}

static int take_option(struct options *o, const struct option_row *row, const char *value,
		       struct error *err)
{
	if (needs_abi(row->name))
		o->abi_option = row->name;
	return row->set(o, value, err);
}

int options_parse(int argc, char *const argv[], const struct cpu_list *allowed,
		  struct options *ret_options, struct error *err)
{
	struct option long_options[NR_ROWS + 1];
	struct options o;
	int c, failed = 0;

	options_set_defaults(&o);
	o.program = argc > 0 ? argv[0] : NULL;
	make_getopt_table(long_options);
	opterr = 0;
	optind = 0; /* glibc: start afresh */
	/* "-": operands come in their places, so that what follows "--" can be told from them. */
	while (!failed && o.command == COMMAND_RUN &&
	       (c = getopt_long(argc, argv, "-:", long_options, NULL)) != -1) {
		if (c == 1)
			failed = take_operand(&o, optarg, err);
		else if (c == ':')
			failed = missing_value(optopt, err);
		else if (c == '?')
			failed = rejected_option(optopt, argv[optind - 1], err);
		else
			failed = take_option(&o, &option_table[c - FIRST_ROW], optarg, err);
	}
	if (!failed && o.command == COMMAND_RUN)
		failed = take_guest_args(&o, argv + optind, err) || complete(&o, allowed, err);
	if (failed)
		return -1;
	*ret_options = o;
	return 0;
}

/* ---- --help and --list --------------------------------------------------------- */

void options_print_help(FILE *out)
{
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
	for (unsigned i = 0; i < NR_ROWS; i++) {
		char usage[32];

		snprintf(usage, sizeof(usage), "--%s %s", option_table[i].name,
			 option_table[i].value ? option_table[i].value : "");
		fprintf(out, "  %-18s  %s\n", usage, option_table[i].help);
	}
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
