/* SPDX-License-Identifier: MIT */
/* The command line of `minivmm sweep`, and of the runs that it is made of. */
#include "vmm/sweep/plan/sweep_options.h"

#include <stdarg.h>
#include <string.h>

#include "minivmm/nearest.h"
#include "vmm/cli/command_line.h"
#include "vmm/cli/names.h"
#include "vmm/cli/options.h"
#include "vmm/cli/parse.h"

static int bad_value(struct error *err, const struct command_row *row, const char *value,
		     const char *why)
{
	return error_set(err, EXIT_USAGE, "--%s '%s' %s", row->name, value, why);
}

/* ---- setters ----------------------------------------------------------------- */

static bool has_twice(const struct word_list *words)
{
	for (unsigned i = 0; i < words->nr; i++) {
		for (unsigned j = 0; j < i; j++) {
			if (strcmp(words->word[i], words->word[j]) == 0)
				return true;
		}
	}
	return false;
}

static int take_words(const struct command_row *row, const char *value, struct word_list *ret_words,
		      struct error *err)
{
	const char *why = parse_word_list(value, ret_words);

	if (!why && has_twice(ret_words))
		why = "names a value twice: each gives a cell, so once is enough";
	return why ? bad_value(err, row, value, why) : 0;
}

/* A number from 1 to `max`. */
static int take_number(const struct command_row *row, const char *value, uint64_t max,
		       unsigned *ret_number, struct error *err)
{
	uint64_t number;
	const char *why = parse_number(value, &number);

	if (why)
		return bad_value(err, row, value, why);
	if (number == 0 || number > max)
		return error_set(err, EXIT_USAGE, "--%s '%s' is out of range: give 1 to %ju",
				 row->name, value, (uintmax_t)max);
	*ret_number = (unsigned)number;
	return 0;
}

static int take_counts(const struct command_row *row, const char *value, uint64_t max,
		       struct count_list *ret_counts, struct error *err)
{
	struct word_list words;
	struct count_list counts = { 0 };

	if (take_words(row, value, &words, err))
		return -1;
	for (unsigned i = 0; i < words.nr; i++) {
		if (take_number(row, words.word[i], max, &counts.count[counts.nr++], err))
			return -1;
	}
	*ret_counts = counts;
	return 0;
}

static int set_vcpus_per_pcpu(void *target, const struct command_row *row, const char *value,
			      struct error *err)
{
	struct sweep_options *o = target;

	return take_counts(row, value, MV_MAX_VCPUS, &o->matrix.vcpus_per_pcpu, err);
}

/* Without this row getopt_long() would take --vcpus for an abbreviation of --vcpus-per-pcpu. */
static int refuse_vcpus(void *target, const struct command_row *row, const char *value,
			struct error *err)
{
	(void)target, (void)row, (void)value;
	return error_set(err, EXIT_USAGE,
			 "--vcpus: a sweep counts vCPUs by the pCPU, with --vcpus-per-pcpu");
}

static int set_vms(void *target, const struct command_row *row, const char *value,
		   struct error *err)
{
	struct sweep_options *o = target;

	return take_counts(row, value, MAX_VMS, &o->matrix.vms, err);
}

/* The parser of runs takes the list apart. */
static int set_shootdown(void *target, const struct command_row *row, const char *value,
			 struct error *err)
{
	struct sweep_options *o = target;
	struct options run = { 0 };
	size_t length = strlen(value);

	if (length >= sizeof(o->shootdown))
		return bad_value(err, row, value, "has too many names in it");
	if (options_set(&run, "shootdown", value, err))
		return -1;
	memcpy(o->shootdown, value, length + 1);
	memcpy(o->mechanism, run.mechanism, sizeof(o->mechanism));
	o->nr_mechanisms = run.nr_mechanisms;
	return 0;
}

const char *sweep_mechanism(const struct sweep_options *o, unsigned m)
{
	return mechanism_names.name[o->mechanism[m]];
}

static int set_pcpus(void *target, const struct command_row *row, const char *value,
		     struct error *err)
{
	struct sweep_options *o = target;
	const char *why = parse_cpu_list(value, &o->pcpus);

	return why ? bad_value(err, row, value, why) : 0;
}

static int add_dimension(struct sweep_options *o, const struct dimension *dimension,
			 struct error *err)
{
	struct matrix *m = &o->matrix;

	if (matrix_find(m, dimension->name))
		return error_set(err, EXIT_USAGE, "'%s' is given twice: list its values once",
				 dimension->name);
	if (m->nr_dimensions == MATRIX_DIMENSIONS)
		return error_set(err, EXIT_USAGE, "too many options are varied: at most %d",
				 MATRIX_DIMENSIONS);
	m->dimension[m->nr_dimensions++] = *dimension;
	return 0;
}

/* Any option of a run. One that takes no value has the empty word. */
static int set_run_option(void *target, const struct command_row *row, const char *value,
			  struct error *err)
{
	struct dimension d = { .of_guest = false };

	snprintf(d.name, sizeof(d.name), "%s", row->name);
	if (!row->value)
		d.values.nr = 1;
	else if (take_words(row, value, &d.values, err))
		return -1;
	return add_dimension(target, &d, err);
}

static int check_scenarios(const struct word_list *words, struct error *err)
{
	const struct name_table *t = &scenario_names;

	for (unsigned i = 0; i < words->nr; i++) {
		const char *word = words->word[i];

		if (name_table_index(t, word) >= 0)
			continue;
		const char *nearest = mv_nearest(word, t->name, t->nr);
		if (nearest)
			return error_set(err, EXIT_USAGE,
					 "--scenario: there is no %s '%s': did you mean '%s'?",
					 t->one, word, nearest);
		return error_set(err, EXIT_USAGE,
				 "--scenario: there is no %s '%s': minivmm --list names them all",
				 t->one, word);
	}
	return 0;
}

static int set_scenario(void *target, const struct command_row *row, const char *value,
			struct error *err)
{
	struct dimension d = { .name = "scenario", .of_guest = true };

	if (take_words(row, value, &d.values, err) || check_scenarios(&d.values, err))
		return -1;
	return add_dimension(target, &d, err);
}

static int set_preset(void *target, const struct command_row *row, const char *value,
		      struct error *err)
{
	struct sweep_options *o = target;
	const char *names[PRESETS_MAX];
	unsigned nr = preset_names(names);

	(void)row;
	o->preset = preset_find(value);
	if (o->preset)
		return 0;
	const char *nearest = mv_nearest(value, names, nr);
	return error_set(err, EXIT_USAGE, "--preset: there is no preset '%s': %s '%s'", value,
			 nearest ? "did you mean" : "there is", nearest ? nearest : names[0]);
}

static int set_repeats(void *target, const struct command_row *row, const char *value,
		       struct error *err)
{
	struct sweep_options *o = target;

	return take_number(row, value, SWEEP_MAX_REPEATS, &o->repeats, err);
}

static int set_seed(void *target, const struct command_row *row, const char *value,
		    struct error *err)
{
	struct sweep_options *o = target;
	const char *why = parse_number(value, &o->seed);

	if (!why && o->seed > SEED_MASK)
		why = "is too big: give up to 2^53 - 1";
	o->seed_given = true;
	return why ? bad_value(err, row, value, why) : 0;
}

static int set_out(void *target, const struct command_row *row, const char *value,
		   struct error *err)
{
	struct sweep_options *o = target;

	if (!*value)
		return bad_value(err, row, value, "is not the name of a folder");
	o->out_dir = value;
	return 0;
}

/* "3/8": the third of eight parts. */
static int set_part(void *target, const struct command_row *row, const char *value,
		    struct error *err)
{
	struct sweep_options *o = target;
	char first[PARSE_WORD_BYTES];
	const char *slash = strchr(value, '/');
	uint64_t part, nr_parts;

	snprintf(first, sizeof(first), "%.*s", slash ? (int)(slash - value) : 0, value);
	if (!slash || parse_number(first, &part) || parse_number(slash + 1, &nr_parts))
		return bad_value(err, row, value, "is not a part: write I/N, as in 3/8");
	if (part == 0 || part > nr_parts || nr_parts > MATRIX_MAX_CELLS)
		return bad_value(err, row, value, "is out of range: I counts from 1 to N");
	o->part = (unsigned)part;
	o->nr_parts = (unsigned)nr_parts;
	return 0;
}

static int set_lab(void *target, const struct command_row *row, const char *value,
		   struct error *err)
{
	struct sweep_options *o = target;

	(void)row, (void)err;
	o->lab_text = value;
	return 0;
}

static int set_jobs(void *target, const struct command_row *row, const char *value,
		    struct error *err)
{
	struct sweep_options *o = target;

	return take_number(row, value, SWEEP_MAX_JOBS, &o->jobs, err);
}

COMMAND_FLAG_SETTER(resume, struct sweep_options, resume, true)
COMMAND_FLAG_SETTER(list_cells, struct sweep_options, command, SWEEP_LIST_CELLS)
COMMAND_FLAG_SETTER(quiet, struct sweep_options, quiet, true)
COMMAND_FLAG_SETTER(help, struct sweep_options, command, SWEEP_HELP)

/* ---- the table: the sweep's own options, then those of a run ----------------- */

static const struct command_row own_rows[] = {
	{ "vcpus-per-pcpu", "LIST", "vCPUs of each VM for each pCPU (1,2,3)", set_vcpus_per_pcpu },
	{ "vcpus", "N", NULL, refuse_vcpus },
	{ "vms", "LIST", "VMs that share the pCPUs (1)", set_vms },
	{ "shootdown", "LIST", "mechanisms, alternated within each run (ipi,pv)", set_shootdown },
	{ "scenario", "LIST", "what the bundled guest runs (its default)", set_scenario },
	{ "pcpus", "LIST", "host CPUs that serve as pCPUs (all allowed)", set_pcpus },
	{ "repeats", "N", "runs of each cell, interleaved with the others (5)", set_repeats },
	{ "seed", "N", "everything random comes from it (drawn, and recorded)", set_seed },
	{ "preset", "NAME", "paper: the published experiment, beside its figures", set_preset },
	{ "out", "DIR", "the folder of the results (sweep-results)", set_out },
	{ "resume", NULL, "go on with the sweep in that folder", set_resume },
	{ "list-cells", NULL, "print what would be run, and run nothing", set_list_cells },
	{ "part", "I/N", "run the I-th of N parts; minivmm merge joins them", set_part },
	{ "lab", "OPTIONS", "runs in emulated machines: options of minivmm lab", set_lab },
	{ "jobs", "N", "so many of these machines at a time (1)", set_jobs },
	{ "quiet", NULL, "print nothing but failures", set_quiet },
	{ "help", NULL, "print this", set_help },
};
#define NR_OWN_ROWS (sizeof(own_rows) / sizeof(own_rows[0]))

/* Whether each run may have a value of its own. */
static bool can_vary(const struct option_row *row)
{
	for (unsigned i = 0; i < NR_OWN_ROWS; i++) {
		if (strcmp(own_rows[i].name, row->name) == 0)
			return false;
	}
	return !(row->flags & OPTION_OF_RUN);
}

static unsigned make_rows(struct command_row ret_rows[COMMAND_LINE_ROWS])
{
	unsigned nr = NR_OWN_ROWS;

	memcpy(ret_rows, own_rows, sizeof(own_rows));
	for (unsigned i = 0; i < nr_option_rows && nr < COMMAND_LINE_ROWS; i++) {
		const struct option_row *row = &option_table[i];

		if (can_vary(row))
			ret_rows[nr++] = (struct command_row){ row->name, row->value, NULL,
							       set_run_option };
	}
	return nr;
}

/* ---- what is not an option --------------------------------------------------- */

static int take_operand(void *target, const char *word, struct error *err)
{
	struct sweep_options *o = target;

	if (!*word)
		return error_set(err, EXIT_USAGE, "the guest's file name is empty");
	if (o->guest_path)
		return error_set(err, EXIT_USAGE, "'%s' is one file too many after '%s'", word,
				 o->guest_path);
	o->guest_path = word;
	return 0;
}

/* KEY=A,B,C: a dimension of the guest's. */
static int take_guest_word(struct sweep_options *o, const char *word, struct error *err)
{
	struct dimension d = { .of_guest = true };
	const char *equals = strchr(word, '=');

	if (!equals || equals == word || equals - word >= (long)sizeof(d.name))
		return error_set(err, EXIT_USAGE, "guest argument '%s' is not KEY=VALUE[,VALUE...]",
				 word);
	snprintf(d.name, sizeof(d.name), "%.*s", (int)(equals - word), word);
	const char *why = parse_word_list(equals + 1, &d.values);
	if (!why && has_twice(&d.values))
		why = "names a value twice: each gives a cell, so once is enough";
	if (why)
		return error_set(err, EXIT_USAGE, "guest argument '%s' %s", word, why);
	return add_dimension(o, &d, err);
}

/* ---- defaults, and rules about more than one option -------------------------- */

static void set_counts(struct count_list *list, const struct count_list *defaults)
{
	if (list->nr == 0)
		*list = *defaults;
}

static int set_words(struct sweep_options *o, const char *shootdown, const char *scenario,
		     struct error *err)
{
	static const struct command_row row = { .name = "shootdown" };

	if (scenario && !matrix_find(&o->matrix, "scenario") &&
	    set_scenario(o, &row, scenario, err))
		return -1;
	return o->nr_mechanisms ? 0 : set_shootdown(o, &row, shootdown, err);
}

static int complete(struct sweep_options *o, const struct host_cpus *allowed, struct error *err)
{
	static const struct count_list one = { 1, { 1 } }, ratios = { 3, { 1, 2, 3 } };
	const struct preset *preset = o->preset;

	if (!o->guest_path)
		return error_set(err, EXIT_USAGE,
				 "no guest given: minivmm sweep [OPTIONS] GUEST.ELF "
				 "[-- KEY=VALUE[,VALUE...] ...]");
	if (o->nr_parts > 1 && !o->seed_given)
		return error_set(err, EXIT_USAGE,
				 "--part needs --seed N, the same for every part: else the parts "
				 "cannot be merged");
	/* Only now: lab's parser is getopt_long(), which does not do two command lines at once. */
	if (o->lab_text && lab_words_parse(o->lab_text, &o->lab, err))
		return -1;
	if (o->jobs && !o->lab_text)
		return error_set(err, EXIT_USAGE,
				 "--jobs needs --lab: on one host, runs beside each other would "
				 "disturb each other");
	o->jobs += !o->jobs;
	if (preset) {
		set_counts(&o->matrix.vms, &preset->vms);
		set_counts(&o->matrix.vcpus_per_pcpu, &preset->vcpus_per_pcpu);
	}
	set_counts(&o->matrix.vcpus_per_pcpu, o->matrix.vms.nr ? &one : &ratios);
	set_counts(&o->matrix.vms, &one);
	if (!o->pcpus.nr && !o->lab_text && host_cpus_check(allowed, err))
		return -1;
	o->matrix.nr_pcpus = o->pcpus.nr    ? o->pcpus.nr
			     : o->lab.pcpus ? o->lab.pcpus
					    : allowed->inherited.nr;
	return set_words(o, preset ? preset->shootdown : "ipi,pv", preset ? preset->scenario : NULL,
			 err);
}

int sweep_options_parse(int argc, char *const argv[], const struct host_cpus *allowed,
			struct sweep_options *ret_options, struct error *err)
{
	struct command_row rows[COMMAND_LINE_ROWS];
	struct command_table table = { .nr = make_rows(rows),
				       .row = rows,
				       .operand = take_operand };
	struct sweep_options o = {
		.repeats = 5,
		.out_dir = "sweep-results",
		.part = 1,
		.nr_parts = 1,
	};
	int rest;

	if (command_line_parse(argc, argv, &table, &o, &rest, err))
		return -1;
	for (; rest < argc; rest++) {
		if (take_guest_word(&o, argv[rest], err))
			return -1;
	}
	if (o.command != SWEEP_HELP && complete(&o, allowed, err))
		return -1;
	*ret_options = o;
	return 0;
}

/* ---- the command line of a run ----------------------------------------------- */

__attribute__((format(printf, 2, 3))) static void add_word(struct run_command *c,
							   const char *format, ...)
{
	size_t room = sizeof(c->text) - c->used;
	va_list args;

	c->argv[c->argc++] = c->text + c->used;
	va_start(args, format);
	int n = vsnprintf(c->text + c->used, room, format, args);
	va_end(args);
	c->used += n >= 0 && (size_t)n < room ? (size_t)n + 1 : 0;
}

static void add_cell_words(struct run_command *c, const struct sweep_options *o,
			   const struct cell *cell, bool of_guest)
{
	for (unsigned i = 0; i < o->matrix.nr_dimensions; i++) {
		const struct dimension *d = &o->matrix.dimension[i];
		const char *value = cell_value(&o->matrix, cell, i);

		if (d->of_guest == of_guest)
			add_word(c, "%s%s%s%s", of_guest ? "" : "--", d->name, *value ? "=" : "",
				 value);
	}
}

void sweep_run_command(const struct sweep_options *o, const struct cell *cell, unsigned repeat,
		       const char *json_path, struct run_command *ret_command)
{
	struct run_command *c = ret_command;
	char pcpus[SWEEP_LIST_BYTES];

	*c = (struct run_command){ 0 };
	add_word(c, "minivmm");
	add_word(c, "--quiet");
	add_word(c, "--json=%s", json_path);
	add_word(c, "--vcpus=%u", cell->vcpus_per_pcpu * o->matrix.nr_pcpus);
	add_word(c, "--vms=%u", cell->vms);
	if (o->pcpus.nr) {
		cpu_list_format(&o->pcpus, pcpus, sizeof(pcpus));
		add_word(c, "--pcpus=%s", pcpus);
	}
	add_word(c, "--shootdown=%s", o->shootdown);
	add_word(c, "--seed=%ju", (uintmax_t)((o->seed + repeat) & SEED_MASK));
	add_cell_words(c, o, cell, false);
	add_word(c, "%s", o->guest_path);
	add_word(c, "--");
	add_cell_words(c, o, cell, true);
	c->argv[c->argc] = NULL;
}

int sweep_check_cells(const struct sweep_options *o, const struct plan *plan,
		      const struct host_cpus *allowed, struct error *err)
{
	struct host_cpus of_machine;

	if (o->lab_text) {
		host_cpus_number(o->lab.pcpus, &of_machine);
		allowed = &of_machine;
	}
	for (unsigned i = 0; i < plan->nr_cells; i++) {
		struct run_command command;
		struct options run;

		sweep_run_command(o, &plan->cell[i], 0, "result.json", &command);
		if (options_parse(command.argc, command.argv, allowed, &run, err))
			return -1;
	}
	return 0;
}

/* ---- --help ------------------------------------------------------------------ */

void sweep_options_print_help(FILE *out)
{
	const struct command_table table = { .nr = NR_OWN_ROWS, .row = own_rows };
	unsigned column = 80;

	fputs("Usage: minivmm sweep [OPTIONS] GUEST.ELF [-- KEY=VALUE[,VALUE...] ...]\n"
	      "\n"
	      "Runs a guest in every combination of the values listed, each a number of times\n"
	      "and beside its 1:1 case, and makes a report with confidence intervals.\n"
	      "\n",
	      out);
	command_line_print_rows(out, &table);
	fputs("\nThese options of a run take lists too, as in --slice 1ms,4ms, and so does each\n"
	      "argument of the guest, as in -- work_us=20,100,500:\n ",
	      out);
	for (unsigned i = 0; i < nr_option_rows; i++) {
		const struct option_row *row = &option_table[i];

		if (!row->value || !can_vary(row))
			continue;
		column += (unsigned)strlen(row->name) + 3;
		if (column > 76) {
			fputs("\n ", out);
			column = (unsigned)strlen(row->name) + 4;
		}
		fprintf(out, " --%s", row->name);
	}
	fputs("\n", out);
}
