/* SPDX-License-Identifier: MIT */
/* The command line of a sweep, and of the runs that it is made of. */
#include "unit.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "help_text.h"
#include "vmm/cli/options.h"
#include "vmm/sweep/plan/preset.h"
#include "vmm/sweep/plan/sweep_options.h"

static const struct host_cpus allowed = { .inherited = { 2, { 0, 1 } } };

static int parse(const char *line, struct sweep_options *o, struct error *err)
{
	static char text[1024];
	char *argv[64] = { (char *)"sweep" };
	int argc = 1;

	snprintf(text, sizeof(text), "%s", line);
	for (char *word = strtok(text, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	return sweep_options_parse(argc, argv, &allowed, o, err);
}

static struct sweep_options parse_well(const char *line)
{
	struct sweep_options o;
	struct error err;

	ck_assert_msg(parse(line, &o, &err) == 0, "'%s': %s", line, err.text);
	return o;
}

START_TEST(defaults_make_a_small_sweep)
{
	struct sweep_options o = parse_well("guest.elf");

	ck_assert_uint_eq(o.command, SWEEP_RUN);
	ck_assert_uint_eq(o.repeats, 5);
	ck_assert_uint_eq(o.matrix.vms.nr, 1);
	ck_assert_uint_eq(o.matrix.vcpus_per_pcpu.nr, 3);
	ck_assert_uint_eq(o.matrix.nr_dimensions, 0);
	ck_assert_uint_eq(o.matrix.nr_pcpus, 2);
	ck_assert_str_eq(o.shootdown, "ipi,pv");
	ck_assert_uint_eq(o.nr_mechanisms, 2);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_ipi);
	ck_assert_uint_eq(o.mechanism[1], MECHANISM_pv);
	ck_assert_str_eq(o.out_dir, "sweep-results");
	ck_assert_uint_eq(parse_well("--vms 1,2 g").matrix.vcpus_per_pcpu.nr, 1);
}
END_TEST

START_TEST(lists_become_dimensions)
{
	struct sweep_options o = parse_well("--slice 1ms,4ms --scenario storm,ping --no-sandbox g "
					    "-- work_us=20,100,500 chunk_kb=8");
	const struct matrix *m = &o.matrix;

	ck_assert_uint_eq(m->nr_dimensions, 5);
	ck_assert_uint_eq(matrix_find(m, "slice")->values.nr, 2);
	ck_assert(!matrix_find(m, "slice")->of_guest);
	ck_assert_uint_eq(matrix_find(m, "scenario")->values.nr, 2);
	ck_assert(matrix_find(m, "scenario")->of_guest);
	ck_assert_str_eq(matrix_find(m, "work_us")->values.word[2], "500");
	ck_assert_uint_eq(matrix_find(m, "chunk_kb")->values.nr, 1);
}
END_TEST

START_TEST(the_published_experiment_is_a_preset)
{
	struct sweep_options o = parse_well("--preset paper g");
	const struct preset *preset = preset_find("paper");

	ck_assert_uint_eq(o.matrix.vms.nr, 3);
	ck_assert_uint_eq(o.matrix.vms.count[2], 3);
	ck_assert_uint_eq(o.matrix.vcpus_per_pcpu.count[0], 1);
	ck_assert_str_eq(matrix_find(&o.matrix, "scenario")->values.word[0], "ebizzy");
	ck_assert_str_eq(o.shootdown, "ipi,pv");
	ck_assert_double_eq_tol(preset->row[1].by_pv / preset->row[1].by_ipi, 1.78, 0.005);
	ck_assert_double_eq_tol(preset->row[2].by_pv / preset->row[2].by_ipi, 2.32, 0.005);
	ck_assert_str_eq(parse_well("--shootdown pv --preset paper g").shootdown, "pv");
}
END_TEST

START_TEST(a_run_gets_what_its_cell_says)
{
	struct sweep_options o = parse_well(
		"--vcpus-per-pcpu 3 --slice 1ms,4ms --pcpus 1 --shootdown pv,ipi "
		"--no-sandbox --seed 40 g -- work_us=20");
	struct run_command command;
	struct options run;
	struct plan plan;
	struct error err;

	ck_assert_int_eq(plan_make(&o.matrix, &plan, &err), 0);
	sweep_run_command(&o, &plan.cell[plan.nr_cells - 1], 2, "r.json", &command);
	ck_assert_msg(options_parse(command.argc, command.argv, &allowed, &run, &err) == 0, "%s",
		      err.text);
	ck_assert_uint_eq(run.nr_vcpus, 3);
	ck_assert_uint_eq(run.pcpus.nr, 1);
	ck_assert_uint_eq(run.slice_ns, 4000000);
	ck_assert_uint_eq(run.mechanism[0], MECHANISM_pv);
	ck_assert_uint_eq(run.seed, 42);
	ck_assert_str_eq(run.json_path, "r.json");
	ck_assert_str_eq(run.guest_args, "work_us=20");
	ck_assert_str_eq(run.guest_path, "g");
	plan_finish(&plan);
}
END_TEST

START_TEST(options_of_the_lab_are_taken_apart)
{
	char *argv[] = { (char *)"sweep", (char *)"--lab", (char *)" --paging shadow\t--pcpus=8 ",
			 (char *)"--jobs=3", (char *)"g" };
	char text[LAB_WORDS_BYTES];
	struct sweep_options o;
	struct error err;

	ck_assert_int_eq(sweep_options_parse(5, argv, &allowed, &o, &err), 0);
	ck_assert_uint_eq(o.jobs, 3);
	ck_assert_uint_eq(o.lab.nr, 3);
	ck_assert_uint_eq(o.matrix.nr_pcpus, 8);
	lab_words_format(&o.lab, text);
	ck_assert_str_eq(text, "--paging shadow --pcpus=8");
	ck_assert_uint_eq(parse_well("--lab= g").matrix.nr_pcpus, 2);
	ck_assert_uint_eq(parse_well("--lab= g").jobs, 1);
	ck_assert_ptr_null(parse_well("g").lab_text);
}
END_TEST

START_TEST(too_many_options_of_the_lab_are_refused)
{
	char text[LAB_WORDS_BYTES + 100];
	struct lab_words words;
	struct error err;

	for (unsigned i = 0; i < sizeof(text) - 1; i++)
		text[i] = i % 2 ? ' ' : 'x';
	text[sizeof(text) - 1] = 0;
	ck_assert_int_eq(lab_words_parse(text, &words, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "at most 32 words"));
	memset(text, 'x', sizeof(text) - 1);
	ck_assert_int_eq(lab_words_parse(text, &words, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "1023 bytes"));
}
END_TEST

/* Refused by the sweep's own parser, or by that of the runs. */
static int parse_and_check(const char *line, struct error *err)
{
	struct sweep_options o;
	struct plan plan;

	if (parse(line, &o, err) || plan_make(&o.matrix, &plan, err))
		return -1;
	int result = sweep_check_cells(&o, &plan, &allowed, err);
	plan_finish(&plan);
	return result;
}

START_TEST(every_mistake_is_named_in_one_line)
{
	static const struct {
		const char *line;
		const char *says[2];
	} table[] = {
		{ "", { "no guest given", "GUEST.ELF" } },
		{ "g h", { "'h'", "too many" } },
		{ "g --repeat5 3", { "'--repeat5'", "'--repeats'" } },
		{ "g --vcpus 4", { "--vcpus:", "--vcpus-per-pcpu" } },
		{ "g --json x", { "'--json'", "--help" } },
		{ "g --s 1ms", { "'--s'", "in full" } },
		{ "g -x", { "'-x'", "--help" } },
		{ "g --quiet=yes", { "'--quiet'", "no value" } },
		{ "g --repeats", { "'--repeats'", "needs a value" } },
		{ "g --repeats 0", { "--repeats '0'", "1 to 1000" } },
		{ "g --vms 1,65", { "--vms '65'", "1 to 64" } },
		{ "g --vms 1,x", { "--vms 'x'", "not a number" } },
		{ "g --vms 2,2", { "--vms '2,2'", "twice" } },
		{ "g --vcpus-per-pcpu 129", { "--vcpus", "1 to 256" } },
		{ "g --scenario storn", { "'storn'", "'storm'" } },
		{ "g --scenario xyzzy", { "'xyzzy'", "--list" } },
		{ "g --scenario ping -- scenario=storm", { "'scenario'", "twice" } },
		{ "g --slice 4ms,1", { "--slice '1'", "without a unit" } },
		{ "g --slice 4ms --slice 1ms", { "'slice'", "twice" } },
		{ "g --sched round", { "policy 'round'", "'round-robin'" } },
		{ "g --shootdown ipi,vp", { "mechanism 'vp'", "'pv'" } },
		{ "g --shootdown pv,ipi,pv", { "'pv'", "twice" } },
		{ "g --preset papre", { "'papre'", "'paper'" } },
		{ "g --part 3", { "--part '3'", "I/N" } },
		{ "g --part 0/4 --seed 1", { "--part '0/4'", "1 to N" } },
		{ "g --part 5/4 --seed 1", { "--part '5/4'", "1 to N" } },
		{ "g --part 1/4", { "--part", "--seed" } },
		{ "g --out=", { "--out ''", "folder" } },
		{ "g --jobs 2", { "--jobs", "needs --lab" } },
		{ "g --lab= --jobs 0", { "--jobs '0'", "1 to 64" } },
		{ "g --lab=--pcpus", { "--pcpus '--'", "number" } },
		{ "g --lab=--pcpux=1", { "--pcpux", "unknown" } },
		{ "g --lab=--pcpus=33", { "--pcpus '33'", "1 to 32" } },
		{ "g --lab=--pcpus=2 --pcpus 2", { "CPU 2", "choose from" } },
		{ "g --lab=guest.elf", { "'guest.elf'", "no option" } },
		{ "g --lab=--keep=here", { "--keep", "leave it out" } },
		{ "g --pcpus 7", { "CPU 7", "choose from" } },
		{ "g -- work_us", { "'work_us'", "KEY=VALUE" } },
		{ "g -- work_us=1,,2", { "'work_us=1,,2'", "empty" } },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct error err = { .text = "" };

		ck_assert_msg(parse_and_check(table[i].line, &err) == -1, "'%s' was taken",
			      table[i].line);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		for (unsigned j = 0; j < 2; j++)
			ck_assert_msg(strstr(err.text, table[i].says[j]) != NULL,
				      "'%s' got '%s', without '%s'", table[i].line, err.text,
				      table[i].says[j]);
	}
}
END_TEST

START_TEST(help_is_in_lines_of_80)
{
	char *text = help_text(sweep_options_print_help);

	ck_assert_ptr_nonnull(strstr(text, " --slice"));
	free(text);
}
END_TEST

#define TESTS(X)                                   \
	X(defaults_make_a_small_sweep)             \
	X(lists_become_dimensions)                 \
	X(the_published_experiment_is_a_preset)    \
	X(a_run_gets_what_its_cell_says)           \
	X(options_of_the_lab_are_taken_apart)      \
	X(too_many_options_of_the_lab_are_refused) \
	X(every_mistake_is_named_in_one_line)      \
	X(help_is_in_lines_of_80)

UNIT_SUITE(sweep_options, TESTS)
