/* SPDX-License-Identifier: MIT */
/* The command line: defaults, values, refusals, and the documents that describe it. */
#include "unit.h"

#include <asm/kvm_para.h>
#include <stdlib.h>
#include <string.h>

#include "help_text.h"
#include "vmm/cli/names.h"
#include "vmm/cli/options.h"

#define MAX_WORDS 24

static const struct host_cpus allowed = { .inherited = { 3, { 0, 1, 3 } } };

/* Parses a command line whose words are separated by single spaces. */
static int parse(const char *line, struct options *ret, struct error *err)
{
	static char words[4096];
	char *argv[MAX_WORDS + 1] = { "minivmm" };
	int argc = 1;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	return options_parse(argc, argv, &allowed, ret, err);
}

static struct options parse_well(const char *line)
{
	struct options o;
	struct error err;

	ck_assert_msg(!parse(line, &o, &err), "'%s': %s", line, err.text);
	return o;
}

START_TEST(defaults_are_as_documented)
{
	struct options o = parse_well("guest.elf");

	ck_assert_int_eq(o.command, COMMAND_RUN);
	ck_assert_str_eq(o.guest_path, "guest.elf");
	ck_assert_str_eq(o.guest_args, "");
	ck_assert_uint_eq(o.nr_vcpus, 6);
	ck_assert_uint_eq(o.nr_vms, 1);
	ck_assert_mem_eq(&o.pcpus, &allowed.inherited, sizeof(allowed.inherited));
	ck_assert_uint_eq(o.mem_bytes, 64 << 20);
	ck_assert_uint_eq(o.slice_ns, 4000000);
	ck_assert_uint_eq(o.slice_jitter_pct, 25);
	ck_assert_str_eq(o.sched->name, "round-robin");
	ck_assert_uint_eq(o.nr_mechanisms, 2);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_ipi);
	ck_assert_uint_eq(o.mechanism[1], MECHANISM_pv);
	ck_assert_str_eq(o.mechanism_label[1], "pv");
	ck_assert_uint_eq(mechanism_host_needs(o.mechanism[0]), 0);
	ck_assert_uint_eq(mechanism_host_needs(o.mechanism[1]), MV_HOST_MARKS);
	ck_assert_uint_eq(o.flush_via, FLUSH_CHOICE_auto);
	ck_assert_uint_eq(o.duration_ns, 2000000000);
	ck_assert_uint_eq(o.count, 0);
	ck_assert(!o.seed_given);
	ck_assert_int_eq(o.fault, FAULT_none);
	ck_assert(!o.mark_exits);
	ck_assert_uint_eq(o.hidden_features, 0);
	ck_assert_uint_eq(o.timeout_ns, 34000000000);
	ck_assert_ptr_null(o.json_path);
	ck_assert(!o.quiet && !o.verbose);
}
END_TEST

START_TEST(every_option_arrives_where_it_belongs)
{
	struct options o = parse_well(
		"--vcpus 5 --vms=2 --pcpus 3,0 guest.elf --mem=8M --slice 1ms "
		"--sched=random --shootdown=pv --seed=42");

	ck_assert_uint_eq(o.nr_vcpus, 5);
	ck_assert_uint_eq(o.nr_vms, 2);
	ck_assert_uint_eq(o.pcpus.nr, 2);
	ck_assert_int_eq(o.pcpus.cpu[0], 3);
	ck_assert_uint_eq(o.mem_bytes, 8 << 20);
	ck_assert_uint_eq(o.slice_ns, 1000000);
	ck_assert_str_eq(o.sched->name, "random");
	ck_assert_uint_eq(o.nr_mechanisms, 1);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_pv);
	ck_assert(o.seed_given);
	ck_assert_uint_eq(o.seed, 42);

	o = parse_well("--slice-jitter=0 --flush-via sregs --duration=1s --count 9 --verbose "
		       "--inject=lose-flush-bit --json r.json --record a --replay b g -- a=b c=");
	ck_assert_uint_eq(o.slice_jitter_pct, 0);
	ck_assert_uint_eq(o.flush_via, FLUSH_CHOICE_first + FLUSH_VIA_sregs);
	ck_assert_uint_eq(o.duration_ns, 1000000000);
	ck_assert_uint_eq(o.count, 9);
	ck_assert_int_eq(o.fault, FAULT_lose_flush_bit);
	ck_assert_str_eq(o.json_path, "r.json");
	ck_assert_str_eq(o.record_path, "a");
	ck_assert_str_eq(o.replay_path, "b");
	ck_assert(o.verbose && !o.quiet);
	ck_assert_str_eq(o.guest_args, "a=b c=");
	ck_assert_uint_eq(o.timeout_ns, 32000000000);
	ck_assert_uint_eq(parse_well("g --timeout 5s").timeout_ns, 5000000000);
	ck_assert(parse_well("g --mark-exits").mark_exits);
	ck_assert_uint_eq(parse_well("g --hide pv-tlb-flush").hidden_features,
			  1u << KVM_FEATURE_PV_TLB_FLUSH);
	ck_assert_uint_eq(parse_well("g --hide steal-time,pv-tlb-flush").hidden_features,
			  1u << KVM_FEATURE_PV_TLB_FLUSH | 1u << KVM_FEATURE_STEAL_TIME);
	ck_assert(parse_well("g --quiet").quiet);
	ck_assert_uint_eq(parse_well("g --vcpus 256").nr_vcpus, 256);
	ck_assert_uint_eq(parse_well("g --seed 18446744073709551615").seed, UINT64_MAX);
	ck_assert_uint_eq(parse_well("g --grace 20us").grace_ns, 20000);
	ck_assert_uint_eq(parse_well("g --grace 20us --grace 0").grace_ns, 0);
}
END_TEST

START_TEST(a_fault_is_looked_for_where_it_shows)
{
	struct options o = parse_well("g --inject hypercall-no-wait");

	ck_assert_uint_eq(o.nr_mechanisms, 1);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_hypercall);
	o = parse_well("g --shootdown ipi --inject hypercall-no-wait");
	ck_assert_uint_eq(o.nr_mechanisms, 1);
	ck_assert_uint_eq(o.mechanism[0], MECHANISM_ipi);
	ck_assert_uint_eq(parse_well("g --inject lose-flush-bit").mechanism[1], MECHANISM_pv);
}
END_TEST

START_TEST(with_dirty_tracking_each_mechanism_is_there_twice)
{
	struct options o = parse_well("g --dirty ring --shootdown pv,hypercall --dirty-every 5ms");
	static const char *const names[] = { "pv", "hypercall", "pv+ring", "hypercall+ring" };

	ck_assert_int_eq(o.dirty, DIRTY_ring);
	ck_assert_uint_eq(o.dirty_every_ns, 5000000);
	ck_assert_uint_eq(o.nr_mechanisms, COUNT_OF(names));
	ck_assert_uint_eq(o.timeout_ns, 38000000000);
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		ck_assert_str_eq(o.mechanism_label[i], names[i]);
		ck_assert_str_eq(mechanism_names.name[o.mechanism[i]], names[i % 2]);
		ck_assert(options_mechanism_is_tracked(&o, i) == (i >= 2));
	}
	o = parse_well("g --dirty none");
	ck_assert_uint_eq(o.nr_mechanisms, 2);
	ck_assert(!options_mechanism_is_tracked(&o, 1));
	ck_assert_str_eq(parse_well("g --inject drop-dirty-entry").mechanism_label[1],
			 "ipi+bitmap");
	ck_assert_str_eq(parse_well("g --dirty ring --inject drop-dirty-entry").mechanism_label[1],
			 "ipi+ring");
}
END_TEST

START_TEST(what_follows_two_dashes_is_the_guests)
{
	struct options o = parse_well("g -- --vcpus=9 scenario=storm");

	ck_assert_str_eq(o.guest_args, "--vcpus=9 scenario=storm");
	ck_assert_uint_eq(o.nr_vcpus, 6);
}
END_TEST

START_TEST(the_default_vcpus_are_no_more_than_the_most)
{
	struct host_cpus many = { .inherited.nr = 200 };
	struct options o;
	struct error err;

	for (int i = 0; i < 200; i++)
		many.inherited.cpu[i] = i;
	ck_assert_int_eq(options_parse(2, (char *[]){ "minivmm", "g", NULL }, &many, &o, &err), 0);
	ck_assert_uint_eq(o.nr_vcpus, MV_MAX_VCPUS);
}
END_TEST

START_TEST(gangs_have_aligned_slices)
{
	ck_assert_int_eq(parse_well("g").slice_alignment, SLICES_independent);
	ck_assert_int_eq(parse_well("g --sched gang").slice_alignment, SLICES_aligned);
	ck_assert_int_eq(parse_well("g --sched gang --slice-alignment aligned").slice_alignment,
			 SLICES_aligned);
	ck_assert_int_eq(parse_well("g --slice-alignment anti").slice_alignment, SLICES_anti);
}
END_TEST

START_TEST(an_old_name_means_the_new_option)
{
	ck_assert_int_eq(parse_well("g --slice-phase anti").slice_alignment, SLICES_anti);
	ck_assert_int_eq(parse_well("g --slice-phase=anti").slice_alignment, SLICES_anti);
}
END_TEST

START_TEST(commands_need_no_guest)
{
	ck_assert_int_eq(parse_well("--help").command, COMMAND_HELP);
	ck_assert_int_eq(parse_well("--version").command, COMMAND_VERSION);
	ck_assert_int_eq(parse_well("--list --nonsense").command, COMMAND_LIST);
}
END_TEST

static const struct {
	const char *line;
	const char *says[2];
} mistakes[] = {
	{ "", { "no guest given", "GUEST.ELF" } },
	{ "-- a=b", { "no guest given", "" } },
	{ "g h", { "'h'", "too many" } },
	{ "g --slize 4ms", { "'--slize'", "'--slice'" } },
	{ "g --vcpu5 4", { "'--vcpu5'", "'--vcpus'" } },
	{ "g --frobnicate", { "'--frobnicate'", "--help" } },
	{ "g --v", { "'--v'", "in full" } },
	{ "g -x", { "'-x'", "--help" } },
	{ "g --quiet=yes", { "'--quiet'", "no value" } },
	{ "g --vcpus", { "'--vcpus'", "needs a value" } },
	{ "g --vcpus 0", { "--vcpus '0'", "1 to 256" } },
	{ "g --vcpus 257", { "--vcpus '257'", "1 to 256" } },
	{ "g --vcpus many", { "--vcpus 'many'", "not a number" } },
	{ "g --vcpus -1", { "--vcpus '-1'", "not a number" } },
	{ "g --vms 0", { "--vms '0'", "1 to 64" } },
	{ "g --vms 65", { "--vms '65'", "1 to 64" } },
	{ "g --pcpus 2", { "CPU 2", "choose from 0-1,3" } },
	{ "g --pcpus 0,0", { "CPU 0", "twice" } },
	{ "g --pcpus x", { "--pcpus 'x'", "list of CPUs" } },
	{ "g --mem 1M", { "--mem '1M'", "4M to 3G" } },
	{ "g --mem 4G", { "--mem '4G'", "4M to 3G" } },
	{ "g --mem 4194305", { "--mem '4194305'", "4K pages" } },
	{ "g --mem big", { "--mem 'big'", "not a size" } },
	{ "g --slice 0ms", { "--slice '0ms'", "no time" } },
	{ "g --slice 4", { "--slice '4'", "without a unit" } },
	{ "g --slice 1us", { "--slice '1us'", "10us to 10s" } },
	{ "g --slice 11s", { "--slice '11s'", "10us to 10s" } },
	{ "g --slice-jitter 91", { "--slice-jitter '91'", "0 to 90" } },
	{ "g --slice-jitter x", { "--slice-jitter 'x'", "" } },
	{ "g --sched fair", { "policy 'fair'", "--list" } },
	{ "g --sched round", { "policy 'round'", "'round-robin'" } },
	{ "g --shootdown vp", { "mechanism 'vp'", "'pv'" } },
	{ "g --shootdown ipi,ipi", { "'ipi'", "twice" } },
	{ "g --shootdown ipi,,pv", { "--shootdown 'ipi,,pv'", "empty" } },
	{ "g --shootdown a,b,c,d,e,f,g,h,i", { "too many", "8" } },
	{ "g --flush-via sreg", { "primitive 'sreg'", "'sregs'" } },
	{ "g --dirty rings", { "kind 'rings'", "'ring'" } },
	{ "g --dirty-every 0s", { "--dirty-every '0s'", "no time" } },
	{ "g --dirty ring --shootdown ipi,pv,pv-recheck,pv-halted,hypercall",
	  { "twice", "at most 4" } },
	{ "g --dirty ring --record r", { "--dirty and --record", "exclude" } },
	{ "g --inject drop-dirty-entry --replay r", { "--dirty and --replay", "exclude" } },
	{ "g --duration 0s", { "--duration '0s'", "no time" } },
	{ "g --duration 25h", { "--duration '25h'", "24h" } },
	{ "g --count 0", { "--count '0'", "1 or more" } },
	{ "g --count many", { "--count 'many'", "not a number" } },
	{ "g --seed 99999999999999999999", { "--seed", "too big" } },
	{ "g --hide pv-tlb-flsh", { "feature 'pv-tlb-flsh'", "'pv-tlb-flush'" } },
	{ "g --hide pv-tlb-flush,", { "--hide", "'pv-tlb-flush,'" } },
	{ "g --inject lose-flush-bits", { "fault 'lose-flush-bits'", "'lose-flush-bit'" } },
	{ "g --timeout 0s", { "--timeout '0s'", "no time" } },
	{ "g --json=", { "--json ''", "name of a file" } },
	{ "g --trace=", { "--trace ''", "name of a file" } },
	{ "g --record=", { "--record ''", "name of a file" } },
	{ "g --replay=", { "--replay ''", "name of a file" } },
	{ "g --sched gang --slice-alignment anti", { "gang", "aligned" } },
	{ "g --background many", { "--background 'many'", "not a load" } },
	{ "g --background 1,5", { "--background '1,5'", "not a load" } },
	{ "g --background 65", { "--background '65'", "out of range" } },
	{ "g --background 1:", { "--background '1:'", "-20 to 19" } },
	{ "g --background 1:20", { "--background '1:20'", "-20 to 19" } },
	{ "g --background 1:-21", { "--background '1:-21'", "-20 to 19" } },
	{ "g --background 1:--1", { "--background '1:--1'", "-20 to 19" } },
	{ "g --sched host --slice 1ms", { "--sched host and --slice exclude", "leave one" } },
	{ "g --slice-jitter 0 --sched host", { "--sched host", "--slice-jitter" } },
	{ "g --sched host --slice-alignment anti", { "--sched host", "--slice-alignment" } },
	{ "g --sched host --grace 1ms", { "--sched host", "--grace" } },
	{ "g --sched host --record r", { "--sched host", "--record" } },
	{ "g --replay r --sched host", { "--sched host", "--replay" } },
	{ "g --quiet --verbose", { "--quiet", "--verbose" } },
	{ "g --initrd=", { "--initrd ''", "name of a file" } },
};

START_TEST(a_background_load_is_threads_and_how_nice_they_are)
{
	static const struct {
		const char *line;
		struct background_load load;
	} cases[] = {
		{ "g", { 0 } },
		{ "g --background 0", { 0 } },
		{ "g --background 64", { .per_cpu = 64 } },
		{ "g --background 1:19", { 1, true, 19 } },
		{ "g --background 2:-20", { 2, true, -20 } },
		{ "g --background 2:0", { 2, true, 0 } },
	};

	for (unsigned i = 0; i < COUNT_OF(cases); i++) {
		struct background_load load = parse_well(cases[i].line).background;

		ck_assert_uint_eq(load.per_cpu, cases[i].load.per_cpu);
		ck_assert_int_eq(load.has_nice, cases[i].load.has_nice);
		ck_assert_int_eq(load.nice, cases[i].load.nice);
	}
}
END_TEST

START_TEST(every_mistake_is_named_in_one_line)
{
	for (unsigned i = 0; i < COUNT_OF(mistakes); i++) {
		struct options o = { .nr_vcpus = 77 };
		struct error err = { .text = "" };

		ck_assert_msg(parse(mistakes[i].line, &o, &err) == -1, "'%s' was taken",
			      mistakes[i].line);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		for (unsigned j = 0; j < 2; j++)
			ck_assert_msg(strstr(err.text, mistakes[i].says[j]) != NULL,
				      "'%s' got '%s', without '%s'", mistakes[i].line, err.text,
				      mistakes[i].says[j]);
		ck_assert_uint_eq(o.nr_vcpus, 77);
	}
}
END_TEST

START_TEST(guest_arguments_may_fill_their_page_and_no_more)
{
	char line[MV_ARGS_BYTES + 16] = "g -- k=";
	size_t start = strlen("g -- ");

	memset(line + start + 2, 'v', MV_ARGS_BYTES);
	line[start + MV_ARGS_BYTES - 1] = 0;
	ck_assert_uint_eq(strlen(parse_well(line).guest_args), MV_ARGS_BYTES - 1);

	struct options o;
	struct error err;
	line[start + MV_ARGS_BYTES - 1] = 'v';
	line[start + MV_ARGS_BYTES] = 0;
	ck_assert_int_eq(parse(line, &o, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "too long"));
}
END_TEST

/* Whether it may be there is for the guest to say, once it has been read. */
START_TEST(the_first_guest_argument_that_is_free_text_is_remembered)
{
	static char *const words[] = { "word", "=x", "a=b c", "" };
	struct options o;
	struct error err;

	for (unsigned i = 0; i < COUNT_OF(words); i++) {
		char *argv[] = { "minivmm", "g", "--", "a=b", words[i], "more", NULL };

		ck_assert_int_eq(options_parse(6, argv, &allowed, &o, &err), 0);
		ck_assert_ptr_eq(o.free_word, words[i]);
	}
	ck_assert_str_eq(o.guest_args, "a=b  more");
	ck_assert_ptr_null(parse_well("g -- a=b c=").free_word);
}
END_TEST

START_TEST(a_message_stays_one_line_whatever_it_quotes)
{
	struct options o;
	struct error err;
	char *argv[] = { "minivmm", "g", "--sched", "a\nb\033[31m", NULL };

	ck_assert_int_eq(options_parse(4, argv, &allowed, &o, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "'a?b?[31m'"));
}
END_TEST

START_TEST(a_long_message_ends_in_dots)
{
	struct error err;
	char value[1000];

	memset(value, 'x', sizeof(value) - 1);
	value[sizeof(value) - 1] = 0;
	ck_assert_int_eq(error_set(&err, EXIT_USAGE, "%s", value), -1);
	ck_assert_str_eq(err.text + strlen(err.text) - 4, "x...");
	ck_assert_int_eq(error_set_errno(&err, EXIT_HOST, 2, "open '%s'", "f"), -1);
	ck_assert_str_eq(err.text, "open 'f': No such file or directory");
}
END_TEST

/* ---- the documents ---------------------------------------------------------------------- */

static char *read_source(const char *name)
{
	static char text[1 << 16];
	char path[512];
	const char *root = getenv("MINIVMM_SOURCE");

	ck_assert_msg(root != NULL, "MINIVMM_SOURCE must name the source directory");
	snprintf(path, sizeof(path), "%s/%s", root, name);
	FILE *file = fopen(path, "r");
	ck_assert_msg(file != NULL, "%s", path);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	return text;
}

START_TEST(help_shows_every_option_in_lines_of_80)
{
	char *text = help_text(options_print_help);

	for (unsigned i = 0; i < nr_option_rows; i++) {
		char usage[64];
		snprintf(usage, sizeof(usage), "\n  --%s ", option_table[i].name);
		ck_assert_msg(strstr(text, usage) != NULL, "%s", usage);
	}
	free(text);
}
END_TEST

/* Whether a word is in a text, between blanks or ends of lines. */
static bool has_word(const char *text, const char *word)
{
	static const char blank[] = " \n";
	size_t length = strlen(word);

	for (const char *at = text; (at = strstr(at, word)); at++) {
		if (at > text && strchr(blank, at[-1]) && strchr(blank, at[length]))
			return true;
	}
	return false;
}

/* In both directions: nothing is left out, and nothing is described that is gone. */
START_TEST(the_man_page_describes_every_option_and_no_other)
{
	const char *page = read_source("data/minivmm.1");
	unsigned described = 0;

	for (unsigned i = 0; i < nr_option_rows; i++) {
		char item[96];

		snprintf(item, sizeof(item), "\n.It Fl -%s%s%s\n", option_table[i].name,
			 option_table[i].value ? " Ar " : "",
			 option_table[i].value ? option_table[i].value : "");
		ck_assert_msg(strstr(page, item) != NULL, "%s", item);
	}
	for (const char *item = page; (item = strstr(item, "\n.It Fl -")); item++)
		described++;
	ck_assert_uint_eq(described, nr_option_rows);
}
END_TEST

START_TEST(completion_offers_every_option_and_every_name)
{
	static const struct name_table *const tables[] = { &mechanism_names,  &scenario_names,
							   &parameter_names,  &policy_names,
							   &flush_prim_names, &fault_names,
							   &feature_names };
	const char *script = read_source("data/minivmm.bash");
	char word[96];

	for (unsigned i = 0; i < nr_option_rows; i++) {
		snprintf(word, sizeof(word), "--%s", option_table[i].name);
		ck_assert_msg(has_word(script, word), "%s", word);
	}
	for (unsigned t = 0; t < COUNT_OF(tables); t++) {
		for (unsigned i = 0; i < tables[t]->nr; i++)
			ck_assert_msg(has_word(script, tables[t]->name[i]), "%s",
				      tables[t]->name[i]);
	}
}
END_TEST

START_TEST(options_that_need_our_own_contract_are_remembered)
{
	static const char *const lines[][2] = {
		{ "--duration 1s guest.elf", "duration" },
		{ "--count 5 guest.elf", "count" },
		{ "guest.elf --grace 1ms --vcpus 2", "grace" },
	};

	for (unsigned i = 0; i < COUNT_OF(lines); i++)
		ck_assert_str_eq(parse_well(lines[i][0]).abi_option, lines[i][1]);
	ck_assert_ptr_null(parse_well("--vcpus 2 --pcpus 0,1 --slice 1ms --sched random --seed 1 "
				      "--timeout 5s --quiet guest.elf")
				   .abi_option);
}
END_TEST

/* clang-format off: a line each */
#define TESTS(X)                                                    \
	X(defaults_are_as_documented)                               \
	X(every_option_arrives_where_it_belongs)                    \
	X(a_fault_is_looked_for_where_it_shows)                     \
	X(with_dirty_tracking_each_mechanism_is_there_twice)        \
	X(what_follows_two_dashes_is_the_guests)                    \
	X(the_default_vcpus_are_no_more_than_the_most)              \
	X(options_that_need_our_own_contract_are_remembered)        \
	X(gangs_have_aligned_slices)                                \
	X(an_old_name_means_the_new_option)                         \
	X(commands_need_no_guest)                                   \
	X(a_background_load_is_threads_and_how_nice_they_are)       \
	X(every_mistake_is_named_in_one_line)                       \
	X(guest_arguments_may_fill_their_page_and_no_more)          \
	X(the_first_guest_argument_that_is_free_text_is_remembered) \
	X(a_message_stays_one_line_whatever_it_quotes)              \
	X(a_long_message_ends_in_dots)                              \
	X(help_shows_every_option_in_lines_of_80)                   \
	X(the_man_page_describes_every_option_and_no_other)         \
	X(completion_offers_every_option_and_every_name)
/* clang-format on */

UNIT_SUITE(options, TESTS)
