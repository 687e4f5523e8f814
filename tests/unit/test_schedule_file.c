/* SPDX-License-Identifier: MIT */
/* The file of --record: what is written is read back, and nothing else is taken. */
#include "unit.h"

#include <stdlib.h>
#include <string.h>

#include "libc_failures.h"
#include "vmm/cli/names.h"
#include "vmm/replay/schedule_file.h"

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

/* Digits to fill a value with, and one too many. */
#define DIGITS	       "0000000000000000"
#define TOO_LONG_VALUE DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS DIGITS

static const char good[] = SCHEDULE_SCHEMA "\n"
					   "vms 2\n"
					   "vcpus 3\n"
					   "pcpus 2\n"
					   "shootdown ipi,pv\n"
					   "guest-sha256 " HASH "\n"
					   "option slice 4ms\n"
					   "option seed 7\n"
					   "option mark-exits\n"
					   "arguments scenario=storm pages=4\n"
					   "entries 4\n"
					   "1 0 0.0 0 4000000 expired\n"
					   "2 1 1.2 50 18446744 halted\n"
					   "3 phase pv\n"
					   "4 phase end\n"
					   "end\n";

static int read_text(const char *text, size_t size, struct schedule_file *ret, struct error *err)
{
	FILE *in = size ? fmemopen((void *)text, size, "r") : fopen("/dev/null", "r");

	ck_assert_ptr_nonnull(in);
	int failed = schedule_file_read(in, "f", ret, err);
	fclose(in);
	return failed;
}

static char *print(const struct schedule_file *file)
{
	char *text;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	ck_assert_int_eq(schedule_file_print(out, file), 0);
	fclose(out);
	return text;
}

START_TEST(a_file_is_read_and_printed_as_it_was)
{
	struct schedule_file file;
	struct error err;

	ck_assert_msg(read_text(good, strlen(good), &file, &err) == 0, "%s", err.text);
	ck_assert_uint_eq(file.nr_vms, 2);
	ck_assert_uint_eq(file.nr_vcpus, 3);
	ck_assert_uint_eq(file.nr_pcpus, 2);
	ck_assert_uint_eq(file.nr_mechanisms, 2);
	ck_assert_uint_eq(file.mechanism[1], MECHANISM_pv);
	ck_assert_str_eq(file.guest_sha256, HASH);
	ck_assert_str_eq(file.guest_args, "scenario=storm pages=4");
	ck_assert_uint_eq(file.nr_options, 3);
	ck_assert_str_eq(file.option[1].name, "seed");
	ck_assert_str_eq(file.option[1].value, "7");
	ck_assert_uint_eq(file.log.nr, 4);
	ck_assert_uint_eq(file.log.entry[1].pcpu, 1);
	ck_assert_uint_eq(file.log.entry[1].vcpu, 5);
	ck_assert_uint_eq(file.log.entry[1].start_ns, 50);
	ck_assert_uint_eq(file.log.entry[1].ran_ns, 18446744);
	ck_assert_uint_eq(file.log.entry[1].end, SLICE_halted);
	ck_assert_uint_eq(file.log.entry[2].end, SLICE_begins_phase);
	ck_assert_uint_eq(file.log.entry[2].vcpu, 1);
	ck_assert_uint_eq(file.log.entry[3].vcpu, SCHEDULE_NO_PHASE);
	char *text = print(&file);
	ck_assert_str_eq(text, good);
	free(text);
	schedule_file_finish(&file);
}
END_TEST

START_TEST(the_options_of_a_run_are_described)
{
	struct options o = { .nr_vms = 1,
			     .nr_vcpus = 4,
			     .pcpus = { 2, { 3, 5 } },
			     .mem_bytes = 8 << 20,
			     .slice_ns = 1500000,
			     .slice_alignment = SLICES_anti,
			     .sched = &sched_policies[POLICY_random],
			     .nr_mechanisms = 1,
			     .mechanism = { MECHANISM_pv },
			     .mechanism_label = { "pv" },
			     .flush_via = FLUSH_CHOICE_first + FLUSH_VIA_sregs,
			     .duration_ns = 3000000000,
			     .seed = 99,
			     .fault = FAULT_none,
			     .guest_args = "a=b",
			     .timeout_ns = 33000000000 };
	struct schedule_file file;

	schedule_file_describe(&file, &o);
	strcpy(file.guest_sha256, HASH);
	char *text = print(&file);
	ck_assert_str_eq(text, SCHEDULE_SCHEMA "\nvms 1\nvcpus 4\npcpus 2\nshootdown pv\n"
					       "guest-sha256 " HASH "\n"
					       "option mem 8M\n"
					       "option slice 1500us\n"
					       "option slice-jitter 0\n"
					       "option slice-alignment anti\n"
					       "option sched random\n"
					       "option flush-via sregs\n"
					       "option duration 3s\n"
					       "option seed 99\n"
					       "option inject none\n"
					       "arguments a=b\n"
					       "entries 0\n"
					       "end\n");
	free(text);
}
END_TEST

START_TEST(no_part_of_a_file_passes_for_the_whole)
{
	struct schedule_file file;
	struct error err;

	for (size_t size = 0; size < strlen(good); size++) {
		ck_assert_msg(read_text(good, size, &file, &err) == -1, "%zu bytes", size);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_ptr_nonnull(strstr(err.text, "--replay 'f', line "));
	}
}
END_TEST

/* A line of the good file, what stands there instead, and what is said. */
static const struct {
	const char *line, *instead, *says;
} mistakes[] = {
	{ SCHEDULE_SCHEMA "\n", "minivmm.schedule/2\n", "line 1: this is no schedule" },
	{ SCHEDULE_SCHEMA "\n", "\177ELF\n", "line 1: this is no schedule" },
	{ "vms 2\n", "vms 65\n", "line 2: a number" },
	{ "vms 2\n", "vms 0\n", "line 2: a number from 1 on" },
	{ "vms 2\n", "vms 2 2\n", "line 2: a number from 1 on" },
	{ "vms 2\n", "vms -1\n", "line 2: a number" },
	{ "vms 2\n", "vms\n", "line 2: a number" },
	{ "vcpus 3\n", "vcpus 257\n", "line 3: a number" },
	{ "vcpus 3\n", "pcpus 3\n", "line 3: another line" },
	{ "pcpus 2\n", "pcpus 99999999999999999999\n", "line 4: a number" },
	{ "ipi,pv", "ipi,vp", "line 5: there is no such mechanism" },
	{ "ipi,pv", "", "line 5: a list" },
	{ "shootdown ipi,pv\n", "shootdown\n", "line 5: a list" },
	{ "shootdown ipi,pv\n", "shoot ipi,pv\n", "line 5: a list" },
	{ "ipi,pv", "ipi,pv,ipi,pv,ipi,pv,ipi,pv,ipi", "line 5: a list" },
	{ HASH, "0123", "line 6: the SHA-256" },
	{ "guest-sha256 " HASH, "guest-sha256", "line 6: the SHA-256" },
	{ "guest-sha256", "guest-sha512", "line 6: the SHA-256" },
	{ "abcdef\n", "abcdeF\n", "line 6: the SHA-256" },
	{ "option slice 4ms\n", "option json x\n", "line 7: there is no such option" },
	{ "option slice 4ms\n", "option slice\n", "line 7: the option has no value" },
	{ "option slice 4ms\n", "option slice \n", "line 7: the option has no value" },
	{ "option slice 4ms\n", "option mark-exits yes\n",
	  "line 7: the option has no value, or one" },
	{ "option slice 4ms\n", "option slice 0" TOO_LONG_VALUE "\n", "line 7: the option has" },
	{ "option slice 4ms\n", "slice 4ms\n", "line 7: is none of a head" },
	{ "option seed 7\n", "arguments a=b\n", "line 10: the guest's arguments" },
	{ "arguments scenario=storm pages=4\n", "arguments\n", "line 10: the guest's arguments" },
	{ "entries 4\n", "entries 4 4\n", "line 11: has too many words" },
	{ "entries 4\n", "entries 16777217\n", "line 11: a number" },
	{ "entries 4\n", "entries 3\n", "line 15: there is more" },
	{ "entries 4\n", "entries 5\n", "line 16: a number" },
	{ "1 0 0.0", "2 0 0.0", "line 12: is not the entry" },
	{ "1 0 0.0", "1 2 0.0", "line 12: a number" },
	{ "1 0 0.0", "1 0 2.0", "line 12: a number" },
	{ "1 0 0.0", "1 0 0.3", "line 12: a number" },
	{ "1 0 0.0", "1 0 0", "line 12: a number" },
	{ "1 0 0.0", "1 0 .0", "line 12: a number" },
	{ "1 0 0.0", "1  0.0", "line 12: a number" },
	{ "50 18446744", "50 4611686018427387904", "line 13: a number" },
	{ "50 18446744", "4611686018427387904 50", "line 13: a number" },
	{ "halted\n", "phase\n", "line 13: a slice does not end so" },
	{ "halted\n", "crashed\n", "line 13: a slice does not end so" },
	{ "halted\n", "halted \n", "line 13: has too many words" },
	{ "3 phase pv\n", "3 phase hypercall\n", "line 14: there is no such phase" },
	{ "3 phase pv\n", "3 phase\n", "line 14: there is no such phase" },
	{ "4 phase end\nend\n", "4 phase end\nend\n\n", "line 16: there is more" },
};

START_TEST(every_mistake_is_named_with_its_line)
{
	for (unsigned i = 0; i < COUNT_OF(mistakes); i++) {
		char text[2 * sizeof(good)];
		const char *at = strstr(good, mistakes[i].line);
		struct schedule_file file;
		struct error err;

		ck_assert_msg(at != NULL, "%s", mistakes[i].line);
		snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - good), good,
			 mistakes[i].instead, at + strlen(mistakes[i].line));
		ck_assert_msg(read_text(text, strlen(text), &file, &err) == -1, "%s was taken",
			      mistakes[i].instead);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_msg(strstr(err.text, mistakes[i].says) != NULL, "'%s' got '%s'",
			      mistakes[i].instead, err.text);
	}
}
END_TEST

/* A line without end must not be read into memory without end. */
START_TEST(a_line_that_does_not_end_is_refused)
{
	struct schedule_file file;
	struct error err;
	FILE *zeros = fopen("/dev/zero", "r");
	char *line = malloc(1 << 20);

	ck_assert_int_eq(schedule_file_read(zeros, "f", &file, &err), -1);
	fclose(zeros);
	memset(line, 'a', 1 << 20);
	ck_assert_int_eq(read_text(line, 1 << 20, &file, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "line 1: does not end"));
	free(line);
}
END_TEST

START_TEST(what_cannot_be_read_or_kept_or_written_is_reported)
{
	struct schedule_file file;
	struct error err;
	FILE *directory = fopen("/", "r"), *full = fopen("/dev/full", "w");
	FILE *in = fmemopen((void *)good, strlen(good), "r");

	ck_assert_int_eq(schedule_file_read(directory, "f", &file, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "line 1: cannot be read"));
	fclose(directory);
	ck_assert_int_eq(read_text(good, strlen(good), &file, &err), 0);
	setbuf(full, NULL);
	ck_assert_int_eq(schedule_file_print(full, &file), -1);
	fclose(full);
	schedule_file_finish(&file);
	fail_allocation_after(0);
	ck_assert_int_eq(schedule_file_read(in, "f", &file, &err), -1);
	fclose(in);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "not enough memory for the schedule in 'f'"));
}
END_TEST

START_TEST(arguments_may_fill_their_room_and_no_more)
{
	char text[4096], arguments[MV_ARGS_BYTES + 1];
	const char *at = strstr(good, "arguments "), *behind = strchr(at, '\n');
	struct schedule_file file;
	struct error err;

	for (unsigned more = 0; more < 2; more++) {
		memset(arguments, 'a', sizeof(arguments));
		arguments[MV_ARGS_BYTES - 1 + more] = 0;
		snprintf(text, sizeof(text), "%.*sarguments %s%s", (int)(at - good), good,
			 arguments, behind);
		ck_assert_int_eq(read_text(text, strlen(text), &file, &err), more ? -1 : 0);
		if (more)
			ck_assert_ptr_nonnull(strstr(err.text, "line 10: the guest's arguments"));
		else
			ck_assert_str_eq(file.guest_args, arguments);
		schedule_file_finish(&file);
	}
}
END_TEST

START_TEST(too_many_options_are_refused)
{
	char text[8192], *to = text;
	struct schedule_file file;
	struct error err;

	to += sprintf(to, "%.*s", (int)(strstr(good, "option") - good), good);
	for (unsigned i = 0; i <= SCHEDULE_MAX_OPTIONS; i++)
		to += sprintf(to, "option seed %u\n", i);
	ck_assert_int_eq(read_text(text, strlen(text), &file, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "too many options"));
}
END_TEST

#define TESTS(X)                                              \
	X(a_file_is_read_and_printed_as_it_was)               \
	X(the_options_of_a_run_are_described)                 \
	X(no_part_of_a_file_passes_for_the_whole)             \
	X(every_mistake_is_named_with_its_line)               \
	X(a_line_that_does_not_end_is_refused)                \
	X(what_cannot_be_read_or_kept_or_written_is_reported) \
	X(arguments_may_fill_their_room_and_no_more)          \
	X(too_many_options_are_refused)

UNIT_SUITE(schedule_file, TESTS)
