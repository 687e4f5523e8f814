/* SPDX-License-Identifier: MIT */
/* The command that repeats a run: what it says, and that a shell reads it as meant. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "vmm/cli/options_format.h"
#include "vmm/cli/rerun_command.h"

#define MAX_WORDS 40

static const struct host_cpus allowed = { .inherited = { 3, { 0, 1, 3 } } };

static char *quote(const char *word)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	rerun_command_quote(out, word);
	fclose(out);
	return text;
}

START_TEST(a_word_is_quoted_if_a_shell_would_change_it)
{
	static const struct {
		const char *word, *quoted;
	} table[] = {
		{ "guest.elf", "guest.elf" },
		{ "./a/b-c_d,0-1:%+@=9", "./a/b-c_d,0-1:%+@=9" },
		{ "", "''" },
		{ "my guest.elf", "'my guest.elf'" },
		{ "it's", "'it'\\''s'" },
		{ "$HOME", "'$HOME'" },
		{ "`id`;&|<>()*?[]{}!#~\\\"", "'`id`;&|<>()*?[]{}!#~\\\"'" },
		{ "~/g", "'~/g'" },
		{ "a\nb", "'a'$'\\012''b'" },
		{ "\x1b[0m\x7f", "''$'\\033''[0m'$'\\177'''" },
		{ "gr\xc3\xbc\xc3\x9f", "'gr\xc3\xbc\xc3\x9f'" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		char *quoted = quote(table[i].word);
		ck_assert_str_eq(quoted, table[i].quoted);
		free(quoted);
	}
}
END_TEST

/* Parses words that are separated by single spaces and need no quotes. */
static struct options parse(const char *line)
{
	static char words[4096];
	char *argv[MAX_WORDS + 1];
	int argc = 0;
	struct options o;
	struct error err;

	snprintf(words, sizeof(words), "%s", line);
	for (char *word = strtok(words, " "); word; word = strtok(NULL, " "))
		argv[argc++] = word;
	argv[argc] = NULL;
	ck_assert_msg(options_parse(argc, argv, &allowed, &o, &err) == 0, "%s: %s", line, err.text);
	return o;
}

START_TEST(what_is_at_its_default_is_left_out)
{
	static const struct {
		const char *line, *command;
	} table[] = {
		{ "./minivmm g --seed 5", "./minivmm --vcpus 6 --pcpus 0-1,3 --seed 5 g" },
		{ "mv g --pcpus 3 --seed 1 --json x --trace y --quiet --duration 2s -- k=v l=w",
		  "mv --vcpus 2 --pcpus 3 --seed 1 g -- k=v l=w" },
		{ "mv g --seed 1 --sched gang --timeout 34s",
		  "mv --vcpus 6 --pcpus 0-1,3 --sched gang --seed 1 g" },
		{ "mv g --seed 1 --record r.sched --replay old",
		  "mv --vcpus 6 --pcpus 0-1,3 --seed 1 --replay r.sched g" },
		{ "mv g --seed 1 --replay old --no-sandbox",
		  "mv --vcpus 6 --pcpus 0-1,3 --seed 1 --no-sandbox --replay old g" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct options o = parse(table[i].line);
		char *command = rerun_command_make(&o);
		ck_assert_str_eq(command, table[i].command);
		free(command);
	}
}
END_TEST

START_TEST(names_of_files_are_quoted_and_never_options)
{
	char *argv[] = { "my vmm", "--replay", "-r", "--seed", "1", "a b.elf", "--", "x=$y", NULL };
	struct options o;
	struct error err;

	ck_assert_int_eq(options_parse(8, argv, &allowed, &o, &err), 0);
	char *command = rerun_command_make(&o);
	ck_assert_str_eq(command, "'my vmm' --vcpus 6 --pcpus 0-1,3 --seed 1 --replay ./-r "
				  "'a b.elf' -- 'x=$y'");
	free(command);
}
END_TEST

/* The lines together set every option that decides what a run does. */
START_TEST(the_command_means_the_same_run)
{
	static const char *const lines[] = {
		"mv --vms 2 --vcpus 5 --pcpus 3,0 --mem 8M --slice 1500us --slice-jitter 0 "
		"--slice-alignment anti --grace 1ms --sched random --shootdown pv,ipi,pv-halted g",
		"mv --flush-via sregs --duration 1234567ns --count 9 --seed 18446744073709551615 "
		"--inject lose-flush-bit --timeout 90s --sched gang g -- scenario=storm a=b",
		"mv --vcpus 256 --mem 4198400 --duration 1h --timeout 1ms g",
		"mv --mem 64M --initrd image --strict-io --shootdown pv g -- console=ttyS0",
		"mv --mark-exits --hide steal-time,pv-tlb-flush g",
		"mv --shootdown pv,hypercall --dirty ring --dirty-every 3ms g",
		"mv --inject drop-dirty-entry g",
		"mv --sched host --seed 3 g",
		"mv --background 3 g",
		"mv --background 1:-5 g",
	};

	for (unsigned i = 0; i < COUNT_OF(lines); i++) {
		struct options o = parse(lines[i]);
		char *command = rerun_command_make(&o);
		struct options again = parse(command);
		char *once_more = rerun_command_make(&again);

		ck_assert_str_eq(command, once_more);
		ck_assert(again.seed_given && again.seed == o.seed);
		/* What is not the command's to say, and where words are kept, aside: */
		o.seed_given = true;
		o.program = again.program = NULL;
		o.guest_path = again.guest_path = NULL;
		o.initrd_path = again.initrd_path = NULL;
		o.abi_option = again.abi_option = NULL;
		o.slice_option = again.slice_option = NULL;
		o.shootdown_given = again.shootdown_given = false;
		ck_assert_msg(memcmp(&o, &again, sizeof(o)) == 0, "%s", command);
		free(command);
		free(once_more);
	}
}
END_TEST

static void count_option(void *context, const char *name, const char *value)
{
	unsigned *nr = context;

	ck_assert_ptr_eq(options_find_visited(name), name);
	ck_assert_int_eq(*value == 0, strcmp(name, "mark-exits") == 0);
	++*nr;
}

START_TEST(every_option_that_is_visited_is_one)
{
	struct options o = parse("mv --grace 1ms --count 3 --slice-alignment anti --timeout 1s "
				 "--mark-exits --hide steal-time --dirty ring --shootdown pv g");
	unsigned nr = 0;

	options_visit(&o, true, count_option, &nr);
	ck_assert_uint_eq(nr, 20);
	ck_assert_ptr_null(options_find_visited("json"));
	ck_assert_ptr_null(options_find_visited("replay"));
	ck_assert_ptr_null(options_find_visited(""));
}
END_TEST

#define TESTS(X)                                       \
	X(a_word_is_quoted_if_a_shell_would_change_it) \
	X(what_is_at_its_default_is_left_out)          \
	X(names_of_files_are_quoted_and_never_options) \
	X(the_command_means_the_same_run)              \
	X(every_option_that_is_visited_is_one)

UNIT_SUITE(rerun_command, TESTS)
