/* SPDX-License-Identifier: MIT */
/* The file of --json: whole or not there, and whether it can be written known early. */
#define _GNU_SOURCE /* unshare() */
#include "unit.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "libc_failures.h"
#include "vmm/base/output_file.h"

static char directory[64];

/* Every test works in an empty directory of its own. */
static void enter_directory(void)
{
	strcpy(directory, "/tmp/minivmm-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
}

/* Removes the files named, which have to be all there are. */
static void leave_directory(const char *file, const char *other)
{
	if (file)
		ck_assert_int_eq(unlink(file), 0);
	if (other)
		ck_assert_int_eq(unlink(other), 0);
	ck_assert_msg(rmdir(directory) == 0, "something was left behind");
}

static void assert_holds(const char *path, const char *expected)
{
	char text[256];
	FILE *file = fopen(path, "r");

	ck_assert_ptr_nonnull(file);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	ck_assert_str_eq(text, expected);
}

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	fputs(text, file);
	fclose(file);
}

static void open_well(struct output_file *output, const char *path)
{
	struct error err;

	ck_assert_msg(!output_file_open(output, path, &err), "%s", err.text);
}

static void commit_well(struct output_file *output, const char *text)
{
	struct error err;

	ck_assert_msg(!output_file_commit(output, text, strlen(text), &err), "%s", err.text);
}

START_TEST(nothing_is_there_until_the_result_is_complete)
{
	struct output_file output;

	enter_directory();
	open_well(&output, "r.json");
	ck_assert_int_eq(access("r.json", F_OK), -1);
	commit_well(&output, "{}\n");
	assert_holds("r.json", "{}\n");
	leave_directory("r.json", NULL);
}
END_TEST

START_TEST(an_older_result_stays_until_it_is_replaced)
{
	struct output_file output;

	enter_directory();
	write_file("r.json", "old, and longer than the new one\n");
	open_well(&output, "r.json");
	assert_holds("r.json", "old, and longer than the new one\n");
	commit_well(&output, "new\n");
	assert_holds("r.json", "new\n");
	leave_directory("r.json", NULL);
}
END_TEST

START_TEST(a_discarded_output_leaves_no_trace)
{
	struct output_file output;

	enter_directory();
	open_well(&output, "r.json");
	output_file_discard(&output);
	output_file_discard(&output);
	leave_directory(NULL, NULL);
}
END_TEST

START_TEST(a_symbolic_link_is_followed)
{
	struct output_file output;
	struct stat st;

	enter_directory();
	write_file("real.json", "old\n");
	ck_assert_int_eq(symlink("real.json", "link.json"), 0);
	open_well(&output, "link.json");
	commit_well(&output, "new\n");
	ck_assert_int_eq(lstat("link.json", &st), 0);
	ck_assert(S_ISLNK(st.st_mode));
	assert_holds("real.json", "new\n");
	leave_directory("link.json", "real.json");
}
END_TEST

START_TEST(what_cannot_be_written_is_refused_before_the_run)
{
	static const struct {
		const char *path;
		const char *says;
	} table[] = {
		{ "no/such/directory/r.json", "No such file or directory" },
		{ "/", "Is a directory" },
		{ ".", "Is a directory" },
		{ "missing/", "Is a directory" },
		{ "file/r.json", "Not a directory" },
		{ "fifo", "No such device or address" }, /* nobody reads */
		{ "/proc/r.json", "" },
	};

	enter_directory();
	write_file("file", "");
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct output_file output;
		struct error err = { .text = "" };

		ck_assert_msg(output_file_open(&output, table[i].path, &err) == -1, "%s",
			      table[i].path);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_msg(strstr(err.text, table[i].says) && strstr(err.text, table[i].path),
			      "%s", err.text);
	}
	leave_directory("file", "fifo");
}
END_TEST

START_TEST(what_is_no_regular_file_is_written_to_directly)
{
	struct output_file output;
	char text[16] = "";

	enter_directory();
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	int reader = open("fifo", O_RDONLY | O_NONBLOCK);
	open_well(&output, "fifo");
	commit_well(&output, "{}\n");
	ck_assert_int_eq(read(reader, text, sizeof(text)), 3);
	ck_assert_str_eq(text, "{}\n");
	close(reader);
	leave_directory("fifo", NULL);
}
END_TEST

START_TEST(a_full_disk_is_reported)
{
	struct output_file output;
	struct error err;

	open_well(&output, "/dev/full");
	ck_assert_int_eq(output_file_commit(&output, "{}", 2, &err), -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "No space left"));
}
END_TEST

START_TEST(a_closed_pipe_is_reported)
{
	struct output_file output;
	struct error err;

	enter_directory();
	signal(SIGPIPE, SIG_IGN);
	ck_assert_int_eq(mkfifo("fifo", 0600), 0);
	int reader = open("fifo", O_RDONLY | O_NONBLOCK);
	open_well(&output, "fifo");
	close(reader);
	ck_assert_int_eq(output_file_commit(&output, "{}", 2, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "Broken pipe"));
	leave_directory("fifo", NULL);
}
END_TEST

/* A limit on the size of files stands in for a disk that fills up half-way. */
START_TEST(a_result_that_does_not_fit_leaves_the_older_one)
{
	struct output_file output;
	struct error err;
	static char text[8192];

	enter_directory();
	write_file("r.json", "old\n");
	signal(SIGXFSZ, SIG_IGN);
	struct rlimit limit;
	getrlimit(RLIMIT_FSIZE, &limit);
	struct rlimit small = { 4096, limit.rlim_max };
	setrlimit(RLIMIT_FSIZE, &small);
	open_well(&output, "r.json");
	int failed = output_file_commit(&output, text, sizeof(text), &err);
	setrlimit(RLIMIT_FSIZE, &limit);

	ck_assert_int_eq(failed, -1);
	ck_assert_ptr_nonnull(strstr(err.text, "File too large"));
	assert_holds("r.json", "old\n");
	leave_directory("r.json", NULL);
}
END_TEST

/* ---- durable, and in place where nothing else can be -------------------------------- */

START_TEST(a_result_is_on_disk_before_it_has_its_name)
{
	struct output_file output;

	enter_directory();
	open_well(&output, "r.json");
	durability_calls();
	commit_well(&output, "new\n");
	ck_assert_str_eq(durability_calls(), "fl");
	open_well(&output, "r.json");
	commit_well(&output, "newer\n"); /* the name is taken: another one, and replace it */
	ck_assert_str_eq(durability_calls(), "fllr");
	assert_holds("r.json", "newer\n");
	leave_directory("r.json", NULL);
}
END_TEST

START_TEST(what_is_not_on_disk_gets_no_name)
{
	struct output_file output;
	struct error err;

	enter_directory();
	write_file("r.json", "old\n");
	open_well(&output, "r.json");
	fail_next_fsync(EIO);
	ck_assert_int_eq(output_file_commit(&output, "new\n", 4, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "Input/output error"));
	assert_holds("r.json", "old\n");
	leave_directory("r.json", NULL);
}
END_TEST

static int print_new(FILE *out, void *context)
{
	(void)context;
	return fputs("new\n", out) < 0 ? -1 : 0;
}

/* That is how a container gets a single file of its host. */
START_TEST(a_mount_of_its_own_is_written_in_place)
{
	struct output_file output;
	struct error err;

	enter_directory();
	write_file("outside", "old, and longer than the new one\n");
	write_file("r.json", "");
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0 ||
	    mount("outside", "r.json", NULL, MS_BIND, NULL) < 0) {
		leave_directory("outside", "r.json"); /* no right to mount */
		return;
	}
	open_well(&output, "r.json");
	assert_holds("outside", "old, and longer than the new one\n");
	output_file_discard(&output);
	assert_holds("outside", "old, and longer than the new one\n");
	open_well(&output, "r.json");
	durability_calls();
	commit_well(&output, "text\n");
	assert_holds("outside", "text\n");
	ck_assert_str_eq(durability_calls(), "f");
	open_well(&output, "r.json");
	ck_assert_int_eq(output_file_commit_printed(&output, print_new, NULL, &err), 0);
	assert_holds("r.json", "new\n");
	ck_assert_int_eq(umount("r.json"), 0);
	leave_directory("outside", "r.json");
}
END_TEST

/* Root may do all of this, and is the one who can stand in for somebody else. */
START_TEST(a_file_that_only_its_owner_may_replace_is_written_in_place)
{
	static const mode_t modes[] = { 0555, 01777 };
	static const uid_t somebody = 65534;

	if (geteuid() != 0)
		return;
	for (unsigned i = 0; i < COUNT_OF(modes); i++) {
		struct output_file output;
		struct error err;

		enter_directory();
		write_file("r.json", "old\n");
		ck_assert_int_eq(chmod("r.json", 0666), 0);
		ck_assert_int_eq(chmod(".", modes[i]), 0);
		ck_assert_int_eq(seteuid(somebody), 0);
		open_well(&output, "r.json");
		commit_well(&output, "new\n");
		assert_holds("r.json", "new\n");
		if (modes[i] == 0555) {
			ck_assert_int_eq(output_file_open(&output, "other.json", &err), -1);
			ck_assert_int_eq(err.status, EXIT_USAGE);
		}
		ck_assert_int_eq(seteuid(0), 0);
		leave_directory("r.json", NULL);
	}
}
END_TEST

#define TESTS(X)                                            \
	X(nothing_is_there_until_the_result_is_complete)    \
	X(an_older_result_stays_until_it_is_replaced)       \
	X(a_discarded_output_leaves_no_trace)               \
	X(a_symbolic_link_is_followed)                      \
	X(what_cannot_be_written_is_refused_before_the_run) \
	X(what_is_no_regular_file_is_written_to_directly)   \
	X(a_full_disk_is_reported)                          \
	X(a_closed_pipe_is_reported)                        \
	X(a_result_that_does_not_fit_leaves_the_older_one)  \
	X(a_result_is_on_disk_before_it_has_its_name)       \
	X(what_is_not_on_disk_gets_no_name)                 \
	X(a_mount_of_its_own_is_written_in_place)           \
	X(a_file_that_only_its_owner_may_replace_is_written_in_place)

UNIT_SUITE(output_file, TESTS)
