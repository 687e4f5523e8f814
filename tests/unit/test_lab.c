/* SPDX-License-Identifier: MIT */
/* `minivmm lab` without a machine: its options, its files, its messages, and how a machine ends. */
#define _GNU_SOURCE
#include "unit.h"

#include <elf.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "help_text.h"
#include "vcpu/base/clock.h"
#include "vmm/lab/emulator.h"
#include "vmm/lab/lab_files.h"
#include "vmm/lab/lab_options.h"
#include "vmm/lab/program_image.h"
#include "vmm/lab/relay.h"
#include "vmm/lab/repeatable.h"
#include "vmm/lab/wire.h"

/* ---- options --------------------------------------------------------------------------- */

static char words_text[1024];
static char *word[64];

static int split(const char *line)
{
	int nr = 0;

	snprintf(words_text, sizeof(words_text), "%s", line);
	for (char *w = strtok(words_text, " "); w; w = strtok(NULL, " "))
		word[nr++] = w;
	word[nr] = NULL;
	return nr;
}

/* What follows "minivmm"; *ret_rest is the index of the command's first word. */
static int parse(const char *line, struct lab_options *o, int *ret_rest, struct error *err)
{
	return lab_options_parse(split(line), word, o, ret_rest, err);
}

static int parse_well(const char *line, struct lab_options *o)
{
	struct error err;
	int rest;

	ck_assert_msg(parse(line, o, &rest, &err) == 0, "'%s': %s", line, err.text);
	return rest;
}

START_TEST(defaults_make_a_machine_with_svm)
{
	static struct lab_options o;

	ck_assert_int_eq(parse_well("lab guest.elf", &o), 1);
	ck_assert_int_eq(o.machine, LAB_SVM);
	ck_assert(!o.shadow && !o.shell && !o.exec && !o.help);
	ck_assert_uint_eq(o.pcpus, 2);
	ck_assert_uint_eq(o.memory_bytes, 1ull << 30);
	ck_assert_uint_eq(o.timeout_ns, 0);
	ck_assert_uint_eq(o.nr_includes, 0);
	ck_assert(!o.kernel && !o.modules && !o.keep && !o.repeatable);
}
END_TEST

START_TEST(a_repeatable_machine_is_one_of_bochs)
{
	static struct lab_options o;

	parse_well("lab --repeatable guest.elf", &o);
	ck_assert(o.repeatable && o.machine == LAB_VMX && !o.shadow);
	parse_well("lab --machine vmx --paging shadow --repeatable --exec -- true", &o);
	ck_assert(o.repeatable && o.machine == LAB_VMX && o.shadow && o.exec);
}
END_TEST

START_TEST(each_option_is_taken)
{
	static struct lab_options o;

	parse_well("lab --machine vmx --paging shadow --pcpus 32 --memory 256M --kernel k "
		   "--modules m --keep d --timeout 3s --include a --include b --exec -- true",
		   &o);
	ck_assert_int_eq(o.machine, LAB_VMX);
	ck_assert(o.shadow && o.exec && !o.shell);
	ck_assert_uint_eq(o.pcpus, 32);
	ck_assert_uint_eq(o.memory_bytes, 256ull << 20);
	ck_assert_str_eq(o.kernel, "k");
	ck_assert_str_eq(o.modules, "m");
	ck_assert_str_eq(o.keep, "d");
	ck_assert_uint_eq(o.timeout_ns, 3 * NS_PER_S);
	ck_assert_uint_eq(o.nr_includes, 2);
	ck_assert_str_eq(o.include[1], "b");
	parse_well("lab --machine svm --paging nested x", &o);
	ck_assert(o.machine == LAB_SVM && !o.shadow);
}
END_TEST

/* Lab's options end where the command begins: what follows is the command's. */
START_TEST(the_command_begins_behind_the_options)
{
	static struct lab_options o;

	ck_assert_int_eq(parse_well("lab --pcpus 4 guest.elf --pcpus 0 -- a=b", &o), 3);
	ck_assert_uint_eq(o.pcpus, 4);
	ck_assert_int_eq(parse_well("lab --pcpus 4 -- --version", &o), 4);
	ck_assert_int_eq(parse_well("lab --shell", &o), 2);
	ck_assert_int_eq(parse_well("lab --shell -- file", &o), 3);
	ck_assert_int_eq(parse_well("lab host --json", &o), 1);
}
END_TEST

START_TEST(every_mistake_is_named_in_one_line)
{
	static const struct {
		const char *line, *says;
	} table[] = {
		{ "lab", "what shall run in the machine" },
		{ "lab --pcpus 3", "what shall run in the machine" },
		{ "lab --", "what shall run in the machine" },
		{ "lab --shell --exec x", "--shell and --exec" },
		{ "lab --shell --repeatable", "--repeatable: what is typed into --shell" },
		{ "lab --repeatable --machine svm x", "--repeatable needs --machine vmx" },
		{ "lab --machine arm x", "--machine 'arm' is no machine" },
		{ "lab --paging flat x", "--paging 'flat' is no kind of paging" },
		{ "lab --pcpus 0 x", "--pcpus '0' is out of range" },
		{ "lab --pcpus 33 x", "--pcpus '33' is out of range" },
		{ "lab --pcpus two x", "--pcpus 'two'" },
		{ "lab --memory 255M x", "--memory '255M' is too little" },
		{ "lab --memory much x", "--memory 'much'" },
		{ "lab --timeout 3 x", "--timeout '3'" },
		{ "lab --frobnicate x", "--frobnicate" },
		{ "lab --keep", "--keep" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		static struct lab_options o;
		struct error err = { .text = "" };
		int rest;

		ck_assert_msg(parse(table[i].line, &o, &rest, &err) == -1, "'%s' was taken",
			      table[i].line);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_msg(strstr(err.text, table[i].says) && !strchr(err.text, '\n'),
			      "'%s' got '%s'", table[i].line, err.text);
	}
}
END_TEST

START_TEST(includes_are_counted)
{
	static char *many[2 * LAB_MAX_INCLUDES + 4];
	static struct lab_options o;
	struct error err;
	int argc = 0, rest;

	many[argc++] = "lab";
	for (unsigned i = 0; i < LAB_MAX_INCLUDES; i++) {
		many[argc++] = "--include";
		many[argc++] = "/some/file";
	}
	many[argc++] = "guest.elf";
	ck_assert_int_eq(lab_options_parse(argc, many, &o, &rest, &err), 0);
	ck_assert_uint_eq(o.nr_includes, LAB_MAX_INCLUDES);
	many[argc - 1] = "--include";
	many[argc++] = "/one/more";
	ck_assert_int_eq(lab_options_parse(argc, many, &o, &rest, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "'/one/more' is one too many"));
}
END_TEST

START_TEST(help_is_in_lines_of_80)
{
	static struct lab_options o;

	parse_well("lab --help", &o);
	ck_assert(o.help);
	char *text = help_text(lab_options_print_help);
	ck_assert_ptr_nonnull(strstr(text, " --machine"));
	free(text);
}
END_TEST

/* ---- files ------------------------------------------------------------------------------ */

static char directory[64];
static struct initramfs fs;
static struct lab_files files;

static void write_file(const char *path, const char *text)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	fputs(text, file);
	fclose(file);
}

static void assert_holds(const char *path, const char *expected)
{
	char text[256];
	FILE *file = fopen(path, "r");

	ck_assert_msg(file != NULL, "there is no %s", path);
	text[fread(text, 1, sizeof(text) - 1, file)] = 0;
	fclose(file);
	ck_assert_str_eq(text, expected);
}

/* A directory of the test's own: g.elf, old.json, and in/one. */
static void enter_directory(void)
{
	struct error err;

	strcpy(directory, "/tmp/minivmm-unit-XXXXXX");
	ck_assert_ptr_nonnull(mkdtemp(directory));
	ck_assert_int_eq(chdir(directory), 0);
	write_file("g.elf", "a guest");
	write_file("old.json", "older");
	ck_assert_int_eq(mkdir("in", 0700), 0);
	write_file("in/one", "1");
	ck_assert_int_eq(initramfs_init(&fs, &err), 0);
	files = (struct lab_files){ .nr = 0 };
}

/* `rest` are all that the test has made besides, files before their directories. */
static void leave_directory(const char *rest)
{
	static const char *const own[] = { "g.elf", "old.json", "in/one", "in" };

	lab_files_finish(&files);
	initramfs_free(&fs);
	for (int nr = split(rest), i = 0; i < nr; i++)
		ck_assert_msg(remove(word[i]) == 0, "%s", word[i]);
	for (unsigned i = 0; i < COUNT_OF(own); i++)
		ck_assert_int_eq(remove(own[i]), 0);
	ck_assert_msg(rmdir(directory) == 0, "something was left behind");
}

static bool is_inside(const char *name)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	for (unsigned i = 0; i < fs.nr_names; i++) {
		if (strcmp(fs.name[i], path) == 0)
			return true;
	}
	return false;
}

static int prepare(const char *line, struct error *err)
{
	int nr = split(line);

	return lab_files_prepare(&files, nr, word, &fs, err);
}

static void assert_outputs(const char *line, const char *paths)
{
	char all[1024] = "";

	for (unsigned i = 0; i < files.nr; i++) {
		const char *path = files.output[i].path;

		ck_assert_msg(strncmp(path, directory, strlen(directory)) == 0, "%s", path);
		strcat(strcat(all, path + strlen(directory) + 1),
		       files.output[i].directory ? "/ " : " ");
	}
	ck_assert_msg(strcmp(all, paths) == 0, "'%s' writes '%s', not '%s'", line, all, paths);
}

/* What a command reads is taken in; what it writes is known before the machine starts. */
START_TEST(files_of_a_command_are_found)
{
	static const struct {
		const char *line, *inside, *outside, *outputs;
	} table[] = {
		{ "g.elf", "g.elf", "old.json", "" },
		{ "g.elf --json r.json", "g.elf", "r.json", "r.json " },
		{ "g.elf --json=r.json --trace t", "g.elf", "r.json", "r.json t " },
		{ "--record s g.elf", "g.elf", "s", "s " },
		{ "--replay old.json g.elf", "old.json", "in/one", "" },
		{ "--replay=old.json g.elf", "old.json", "in/one", "" },
		{ "g.elf --json old.json", "g.elf", "old.json", "old.json " },
		{ "g.elf --jsonx r.json", "g.elf", "r.json", "" },
		{ "g.elf -- --json r.json old.json", "g.elf", "old.json", "" },
		{ "g.elf --json", "g.elf", "old.json", "" },
		{ "g.elf --json /dev/null", "g.elf", "old.json", "" },
		{ "sweep g.elf", "g.elf", "in/one", "sweep-results/ " },
		{ "sweep --out new g.elf", "g.elf", "in/one", "new/ " },
		{ "sweep --out=in --resume g.elf", "in/one", "old.json", "in/ " },
		{ "merge in", "in/one", "g.elf", "merged/ " },
		{ "merge --out m in", "in/one", "g.elf", "m/ " },
		{ "trace-stats old.json", "old.json", "g.elf", "" },
		{ "g.elf in", "g.elf", "in/one", "" },
		{ "host --json", "", "g.elf", "" },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct error err;

		enter_directory();
		ck_assert_msg(prepare(table[i].line, &err) == 0, "%s: %s", table[i].line, err.text);
		assert_outputs(table[i].line, table[i].outputs);
		ck_assert_msg(!*table[i].inside || is_inside(table[i].inside), "%s: no %s",
			      table[i].line, table[i].inside);
		ck_assert_msg(!is_inside(table[i].outside), "%s: %s is there", table[i].line,
			      table[i].outside);
		leave_directory("");
	}
}
END_TEST

START_TEST(what_cannot_be_written_is_refused_at_once)
{
	static const char *const lines[] = { "g.elf --json nowhere/r.json", "g.elf --trace in",
					     "sweep --out nowhere/at/all g.elf" };

	enter_directory();
	for (unsigned i = 0; i < COUNT_OF(lines); i++) {
		struct error err = { .text = "" };

		if (strstr(lines[i], "--trace in")) {
			/* A directory is the machine's own affair: minivmm inside refuses it. */
			ck_assert_int_eq(prepare(lines[i], &err), 0);
			ck_assert_uint_eq(files.nr, 0);
			continue;
		}
		ck_assert_msg(prepare(lines[i], &err) == -1, "%s", lines[i]);
		ck_assert_int_eq(err.status, EXIT_USAGE);
	}
	leave_directory("");
}
END_TEST

static void begin(uint32_t output, const char *name)
{
	lab_files_begin(&files, output, name, strlen(name));
}

static int end(void)
{
	struct error err;

	return lab_files_end(&files, &err);
}

START_TEST(files_come_out_whole_or_not_at_all)
{
	struct error err;

	enter_directory();
	ck_assert_int_eq(prepare("g.elf --json old.json --trace t --record s", &err), 0);
	begin(0, "");
	lab_files_add(&files, "new", 3);
	lab_files_add(&files, "er", 2);
	assert_holds("old.json", "older");
	ck_assert_int_eq(end(), 0);
	assert_holds("old.json", "newer");
	begin(1, "");
	lab_files_add(&files, "half", 4); /* and the machine dies */
	leave_directory("");
}
END_TEST

START_TEST(files_of_a_directory_come_out_below_it)
{
	struct error err;

	enter_directory();
	ck_assert_int_eq(prepare("sweep g.elf", &err), 0);
	begin(0, "runs/1/a.json");
	lab_files_add(&files, "a", 1);
	ck_assert_int_eq(end(), 0);
	begin(0, "empty");
	ck_assert_int_eq(end(), 0);
	begin(0, "half"); /* never comes to its end */
	begin(0, "whole");
	lab_files_add(&files, "w", 1);
	ck_assert_int_eq(end(), 0);
	assert_holds("sweep-results/runs/1/a.json", "a");
	assert_holds("sweep-results/empty", "");
	assert_holds("sweep-results/whole", "w");
	leave_directory("sweep-results/runs/1/a.json sweep-results/runs/1 sweep-results/runs "
			"sweep-results/empty sweep-results/whole sweep-results");
}
END_TEST

/* Nothing that a machine says makes a file elsewhere. */
START_TEST(names_that_lead_elsewhere_are_refused)
{
	static const char *const names[] = { "", "..", "../x", "a/../../x", "/x", "a//x", "a/.." };
	struct error err;

	enter_directory();
	ck_assert_int_eq(prepare("sweep g.elf --json r.json", &err), 0);
	ck_assert(files.output[1].directory);
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		begin(1, names[i]);
		lab_files_add(&files, "x", 1);
		ck_assert_msg(end() == -1, "'%s' was taken", names[i]);
	}
	begin(7, "x");
	ck_assert_int_eq(end(), -1);
	begin(0, "");
	ck_assert_int_eq(end(), 0);
	begin(0, ""); /* a second time */
	ck_assert_int_eq(end(), -1);
	leave_directory("r.json");
}
END_TEST

/* ---- the machine's image ------------------------------------------------------------------- */

/* A path means inside what it means outside: what leads there is taken in as it is. */
START_TEST(links_on_the_way_are_taken_in)
{
	struct error err;

	enter_directory();
	ck_assert_int_eq(symlink("in", "way"), 0);
	ck_assert_int_eq(symlink("../way/one", "in/link"), 0);
	ck_assert_int_eq(initramfs_add_path(&fs, "./way/../in//link", false, &err), 0);
	ck_assert(is_inside("way") && is_inside("in/link") && is_inside("in/one"));
	ck_assert(is_inside("in") && !is_inside("way/link") && !is_inside("g.elf"));
	unsigned before = fs.nr_names;
	ck_assert_int_eq(initramfs_add_path(&fs, "in/one", false, &err), 0);
	ck_assert_uint_eq(fs.nr_names, before); /* it is there */
	leave_directory("in/link way");
}
END_TEST

START_TEST(what_is_not_there_is_not_taken_in)
{
	static const struct {
		const char *path, *says;
	} table[] = {
		{ "nowhere", "No such file" },
		{ "round", "Too many levels" },
		{ "g.elf/x", "Not a directory" },
		{ "/dev/null", "Invalid argument" },
	};

	enter_directory();
	ck_assert_int_eq(symlink("round", "round"), 0);
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		struct error err = { .text = "" };

		ck_assert_msg(initramfs_add_path(&fs, table[i].path, false, &err) == -1, "%s",
			      table[i].path);
		ck_assert_int_eq(err.status, EXIT_USAGE);
		ck_assert_msg(strstr(err.text, table[i].path) && strstr(err.text, table[i].says),
			      "%s", err.text);
	}
	leave_directory("round");
}
END_TEST

/* Field `number` of a header behind its magic digits: eight hexadecimal digits each. */
static unsigned field(const char *header, unsigned number)
{
	char digits[9] = "";

	memcpy(digits, header + 6 + 8 * number, 8);
	return (unsigned)strtoul(digits, NULL, 16);
}

/* Linux's buffer-format.rst: field 1 is the mode, 5 the time, 6 the size, 11 the name's size. */
START_TEST(the_image_is_one_that_linux_unpacks)
{
	static const char *const names[] = { "a", "a/b", "a/b/text", "a/link", "TRAILER!!!" };
	static const unsigned modes[] = { S_IFDIR, S_IFDIR, S_IFREG, S_IFLNK, 0 };
	static char image[4096];
	struct error err;
	size_t at = 0;

	ck_assert_int_eq(initramfs_init(&fs, &err), 0);
	initramfs_add_text(&fs, "/a/b/text", "hello", 5);
	initramfs_add_link(&fs, "/a/link", "b/text");
	ck_assert_int_eq(initramfs_finish(&fs, &err), 0);
	ck_assert_uint_eq(fs.bytes % 4, 0);
	ck_assert_int_eq(pread(fs.fd, image, sizeof(image), 0), (ssize_t)fs.bytes);
	for (unsigned i = 0; i < COUNT_OF(names); i++) {
		const char *header = image + at;

		ck_assert_int_eq(memcmp(header, "070701", 6), 0);
		ck_assert_uint_eq(field(header, 1) & S_IFMT, modes[i]);
		ck_assert_uint_eq(field(header, 11), strlen(names[i]) + 1);
		ck_assert_str_eq(header + 110, names[i]);
		at += (110 + strlen(names[i]) + 1 + 3) & ~3ul;
		if (strcmp(names[i], "a/b/text") == 0)
			ck_assert_int_eq(memcmp(image + at, "hello", field(header, 6)), 0);
		at += (field(header, 6) + 3) & ~3ul;
	}
	ck_assert_uint_eq(at, fs.bytes);
	initramfs_free(&fs);
}
END_TEST

static void write_bytes(const char *path, const char *bytes, size_t length)
{
	FILE *file = fopen(path, "w");

	ck_assert_ptr_nonnull(file);
	ck_assert_uint_eq(fwrite(bytes, 1, length, file), length);
	fclose(file);
}

/* In any depth, with - or _ in the name, those that it depends on first, each once. */
START_TEST(modules_are_loaded_behind_those_they_need)
{
	static const char two[] = "text\0depends=base,first-one", one[] = "license=\0depends=base";
	static struct lab_kernel kernel;
	char list[2048] = "";
	struct error err;

	enter_directory();
	ck_assert_int_eq(mkdir("in/deep", 0700), 0);
	write_bytes("in/second_one.ko", two, sizeof(two));
	write_bytes("in/deep/first_one.ko", one, sizeof(one));
	write_bytes("in/base.ko", "nothing", 7);
	ck_assert_int_eq(lab_kernel_find(&kernel, "g.elf", "in", &err), 0);
	ck_assert_str_eq(kernel.image, "g.elf");
	ck_assert_int_eq(lab_kernel_add_module(&kernel, &fs, "second-one", "a=1", true, list, &err),
			 0);
	ck_assert_int_eq(lab_kernel_add_module(&kernel, &fs, "base", "", true, list, &err), 0);
	ck_assert_int_eq(lab_kernel_add_module(&kernel, &fs, "built-in", "", false, list, &err), 0);
	ck_assert_str_eq(list, "/lab/base.ko \n/lab/first_one.ko \n/lab/second_one.ko a=1\n");
	ck_assert_int_eq(lab_kernel_add_module(&kernel, &fs, "kvm-amd", "", true, list, &err), -1);
	ck_assert_int_eq(err.status, EXIT_HOST);
	ck_assert_ptr_nonnull(strstr(err.text, "no kvm-amd.ko in 'in'"));
	leave_directory("in/deep/first_one.ko in/deep in/second_one.ko in/base.ko");
}
END_TEST

/* What comes in of in/m.ko, which holds these bytes; its length. */
static size_t module_bytes(const char *bytes, size_t length)
{
	static struct lab_kernel kernel;
	static char image[8192];
	char list[2048] = "";
	struct error err;

	enter_directory();
	write_bytes("in/m.ko", bytes, length);
	ck_assert_int_eq(lab_kernel_find(&kernel, "g.elf", "in", &err), 0);
	kernel.drops_signatures = true;
	ck_assert_int_eq(lab_kernel_add_module(&kernel, &fs, "m", "", true, list, &err), 0);
	ck_assert_int_eq(initramfs_finish(&fs, &err), 0);
	ck_assert_int_eq(pread(fs.fd, image, sizeof(image), 0), (ssize_t)fs.bytes);
	const char *name = memmem(image, fs.bytes, "lab/m.ko", 9);
	ck_assert_ptr_nonnull(name);
	size_t taken = field(name - 110, 6);
	leave_directory("in/m.ko");
	return taken;
}

#define SIGNATURE_LINE "~Module signature appended~\n"

/* The signature's length is in the last four bytes before the line, of twelve in all. */
START_TEST(a_signature_is_left_out)
{
	static const char is_signed[] = "moduleSIGN12345678\0\0\0\4" SIGNATURE_LINE;
	static const char too_long[] = "moduleSIGN12345678\0\0\0\13" SIGNATURE_LINE;
	static const char too_short[] = "12345678\0\0\0" SIGNATURE_LINE;
	static const char not_signed[] = "moduleSIGN12345678\0\0\0\4" SIGNATURE_LINE " ";

	ck_assert_uint_eq(module_bytes(is_signed, sizeof(is_signed) - 1), 6);
	ck_assert_uint_eq(module_bytes(too_long, sizeof(too_long) - 1), sizeof(too_long) - 1);
	ck_assert_uint_eq(module_bytes(too_short, sizeof(too_short) - 1), sizeof(too_short) - 1);
	ck_assert_uint_eq(module_bytes(not_signed, sizeof(not_signed) - 1), sizeof(not_signed) - 1);
}
END_TEST

/* A program with an interpreter, a build id, and debug information behind what is loaded. */
struct program {
	Elf64_Ehdr head;
	Elf64_Phdr segment[3];
	struct {
		Elf64_Nhdr head;
		char name[4];
		uint8_t id[4];
	} note[2];
	char code[4];
	char debug[4];
};

static struct program make_program(void)
{
	return (struct program){
		.head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB },
			  .e_phoff = offsetof(struct program, segment),
			  .e_phentsize = sizeof(Elf64_Phdr),
			  .e_phnum = 3,
			  .e_shoff = offsetof(struct program, debug),
			  .e_shnum = 7,
			  .e_shstrndx = 1 },
		.segment = { { .p_type = PT_INTERP },
			     { .p_type = PT_NOTE,
			       .p_offset = offsetof(struct program, note),
			       .p_filesz = sizeof(((struct program *)0)->note) },
			     { .p_type = PT_LOAD, .p_filesz = offsetof(struct program, debug) } },
		.note = { { { 4, 4, 1 }, "GNU", { 9, 9, 9, 9 } },
			  { { 4, 4, NT_GNU_BUILD_ID }, "GNU", { 1, 2, 3, 4 } } },
		.code = "code",
		.debug = "bug!",
	};
}

START_TEST(a_program_comes_without_what_is_not_loaded)
{
	struct program p = make_program(), whole = p;

	ck_assert_uint_eq(program_image_strip((uint8_t *)&p, sizeof(p)),
			  offsetof(struct program, debug));
	ck_assert(p.head.e_shoff == 0 && p.head.e_shnum == 0 && p.head.e_shstrndx == 0);
	ck_assert_mem_eq(p.note[1].id, "\0\0\0\0", 4);
	ck_assert_mem_eq(p.note[0].id, whole.note[0].id, 4);
	ck_assert_mem_eq(p.code, "code", 4);
	p.note[1] = whole.note[1];
	p.head = whole.head;
	ck_assert_mem_eq(&p, &whole, sizeof(p));
}
END_TEST

/* A guest has no interpreter. Whatever is broken is for the kernel to refuse. */
START_TEST(what_is_no_program_comes_as_it_is)
{
	struct program table[6], before;

	for (unsigned i = 0; i < COUNT_OF(table); i++)
		table[i] = make_program();
	table[0].segment[0].p_type = PT_NULL;
	table[1].segment[2].p_filesz = sizeof(struct program) + 1;
	table[2].segment[1].p_offset = ~0ull;
	table[3].head.e_phoff = sizeof(struct program) - 1;
	table[4].head.e_ident[0] = 0;
	table[5].head.e_phnum = 0;
	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		before = table[i];
		ck_assert_uint_eq(program_image_strip((uint8_t *)&table[i], sizeof(before)),
				  sizeof(before));
		ck_assert_mem_eq(&table[i], &before, sizeof(before));
	}
	for (size_t length = 0; length < sizeof(before); length++) {
		before = make_program();
		ck_assert_uint_le(program_image_strip((uint8_t *)&before, length), length);
	}
}
END_TEST

START_TEST(a_kernel_that_is_none_is_named)
{
	static struct lab_kernel kernel;
	struct error err;

	enter_directory();
	ck_assert_int_eq(lab_kernel_find(&kernel, "nowhere", "in", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "--kernel 'nowhere' is no file"));
	ck_assert_int_eq(lab_kernel_find(&kernel, "g.elf", "old.json", &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, "--modules 'old.json' is no directory"));
	ck_assert_int_eq(err.status, EXIT_USAGE);
	leave_directory("");
}
END_TEST

START_TEST(a_kernel_that_was_fetched_in_part_is_none)
{
	static struct lab_kernel kernel;

	enter_directory();
	ck_assert(!lab_kernel_fetched(&kernel, "in"));
	write_bytes("in/vmlinuz", "nothing", 7);
	ck_assert(!lab_kernel_fetched(&kernel, "in"));
	write_bytes("in/complete", "nothing", 7);
	ck_assert(lab_kernel_fetched(&kernel, "in"));
	ck_assert_str_eq(kernel.image, "in/vmlinuz");
	ck_assert_str_eq(kernel.modules, "in");
	leave_directory("in/vmlinuz in/complete");
}
END_TEST

/* ---- repeatable machines ----------------------------------------------------------------------
 */

static bool is_in_image(const char *path)
{
	for (unsigned i = 0; i < fs.nr_names; i++) {
		if (strcmp(fs.name[i], path) == 0)
			return true;
	}
	return false;
}

START_TEST(a_path_inside_does_not_depend_on_where_it_is_outside)
{
	static const struct {
		const char *word, *path, *made;
	} table[] = {
		{ "g.elf", "/here/g.elf", NULL }, { "./a//b/./c", "/here/a/b/c", NULL },
		{ "/abs/./x/", "/abs/x", NULL },  { "../x", "/x", "/here" },
		{ "../../../x", "/x", "/here" },  { "in/../x", "/here/x", "/here/in" },
		{ "/a/b/../c", "/a/c", "/a/b" },  { "..", "/", "/here" },
		{ "...", "/here/...", NULL },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		char path[PATH_MAX];
		struct error err;

		enter_directory();
		ck_assert_int_eq(repeatable_path(&fs, table[i].word, path, &err), 0);
		ck_assert_str_eq(path, table[i].path);
		if (table[i].made)
			ck_assert_msg(is_in_image(table[i].made), "no %s", table[i].made);
		else
			ck_assert_uint_eq(fs.nr_names, 0);
		leave_directory("");
	}
}
END_TEST

START_TEST(a_path_that_is_too_long_is_refused)
{
	static char word_of[PATH_MAX + 8];
	char path[PATH_MAX];
	struct error err;

	enter_directory();
	memset(word_of, 'x', PATH_MAX);
	ck_assert_int_eq(repeatable_path(&fs, word_of, path, &err), -1);
	ck_assert_int_eq(err.status, EXIT_USAGE);
	leave_directory("");
}
END_TEST

/* The seed stands where minivmm takes an option, and not where there is one already. */
START_TEST(a_seed_is_added_where_none_is_given)
{
	static const struct {
		const char *line;
		int place;
	} table[] = {
		{ "g.elf", 0 },
		{ "--duration 1s g.elf -- --seed=1", 0 },
		{ "--seed 3 g.elf", -1 },
		{ "g.elf --seed=3", -1 },
		{ "g.elf --seeds=3", 0 },
		{ "--replay s g.elf", -1 },
		{ "sweep --out o g.elf", 1 },
		{ "sweep --seed 3 g.elf", -1 },
		{ "merge a b", -1 },
		{ "host --json", -1 },
		{ "trace-stats t", -1 },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		int nr = split(table[i].line);

		ck_assert_msg(repeatable_seed_place(nr, word) == table[i].place, "%s",
			      table[i].line);
	}
	ck_assert_int_eq(repeatable_seed_place(0, word), 0);
}
END_TEST

/* Into text[]: all of the image. */
static size_t read_image(char *text, size_t room)
{
	struct error err;

	ck_assert_int_eq(initramfs_finish(&fs, &err), 0);
	ssize_t n = pread(fs.fd, text, room, 0);
	ck_assert_int_eq(n, (ssize_t)fs.bytes);
	return (size_t)n;
}

/* An image of the same files, in a directory of another name, at another time, by another umask. */
static size_t make_image(char *text, size_t room, mode_t mode, time_t time)
{
	const struct timespec times[2] = { { time, 0 }, { time, 0 } };
	struct error err;

	enter_directory();
	write_file("in/two", "2");
	ck_assert_int_eq(chmod("g.elf", mode), 0);
	ck_assert_int_eq(utimensat(AT_FDCWD, "g.elf", times, 0), 0);
	fs.same_everywhere = files.repeatable = true;
	ck_assert_int_eq(prepare("sweep --out in g.elf", &err), 0);
	ck_assert_str_eq(files.output[0].inside, "/here/in");
	ck_assert(is_in_image("/here/in/one") && is_in_image("/here/g.elf"));
	size_t n = read_image(text, room);
	leave_directory("in/two");
	return n;
}

START_TEST(an_image_says_nothing_of_its_host)
{
	static char one[8192], other[8192];
	size_t bytes = make_image(one, sizeof(one), 0644, 1000000000);

	ck_assert_uint_eq(make_image(other, sizeof(other), 0600, 1700000000), bytes);
	ck_assert_mem_eq(one, other, bytes);
	make_image(other, sizeof(other), 0700, 1700000000); /* now it can be executed */
	ck_assert_mem_ne(one, other, bytes);
}
END_TEST

/* That of the JSON, and of no other file. */
START_TEST(a_digest_is_what_sha256sum_says)
{
	struct error err;

	enter_directory();
	ck_assert_int_eq(prepare("g.elf --trace t --json r.json", &err), 0);
	begin(0, "");
	ck_assert_int_eq(end(), 0);
	ck_assert_str_eq(files.digest, "");
	begin(1, "");
	lab_files_add(&files, "abc", 3);
	ck_assert_int_eq(end(), 0);
	ck_assert_str_eq(files.digest,
			 "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
	leave_directory("t r.json");
	enter_directory();
	ck_assert_int_eq(prepare("sweep g.elf", &err), 0);
	begin(0, "runs/1.json");
	ck_assert_int_eq(end(), 0);
	ck_assert_str_eq(files.digest, "");
	begin(0, "results.json");
	ck_assert_int_eq(end(), 0);
	ck_assert_int_eq(strncmp(files.digest, "e3b0c442", 8), 0);
	leave_directory("sweep-results/runs/1.json sweep-results/runs sweep-results/results.json "
			"sweep-results");
}
END_TEST

/* ---- messages ------------------------------------------------------------------------------ */

/* Two ends of a channel. */
static void make_channel(int ends[2])
{
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
}

START_TEST(messages_arrive_in_pieces_and_in_order)
{
	static uint8_t sent[3 * WIRE_MAX_BYTES], got[sizeof(sent)];
	static struct wire in, out;
	struct wire_message m;
	int ends[2], from[2];
	size_t used = 0;
	uint8_t byte;

	make_channel(ends);
	make_channel(from);
	for (size_t i = 0; i < sizeof(sent); i++)
		sent[i] = (uint8_t)(i * 7 + (i >> 8));
	wire_init(&in, ends[0], ends[0]);
	wire_init(&out, from[0], from[0]);
	ck_assert_int_eq(wire_send_number(&out, WIRE_TAKEN, 4711), 0);
	for (size_t i = 0; i < sizeof(struct wire_header) + sizeof(uint32_t); i++) {
		ck_assert_int_eq(wire_next(&in, &m), 0); /* not before the last byte is there */
		ck_assert_int_eq(read(from[1], &byte, 1), 1);
		ck_assert_int_eq(write(ends[1], &byte, 1), 1);
		ck_assert_int_eq(wire_read(&in), 1);
	}
	ck_assert_int_eq(wire_next(&in, &m), 1);
	ck_assert_int_eq(m.type, WIRE_TAKEN);
	ck_assert_uint_eq(wire_number(&m), 4711);

	/* What is too long for one comes as several, and the buffer goes round. */
	wire_init(&out, ends[1], ends[1]);
	ck_assert_int_eq(wire_send(&out, WIRE_DATA, sent, sizeof(sent)), 0);
	while (used < sizeof(sent)) {
		ck_assert_int_gt(wire_read(&in), 0);
		while (wire_next(&in, &m) > 0) {
			ck_assert_int_eq(m.type, WIRE_DATA);
			ck_assert_uint_le(m.length, WIRE_MAX_BYTES);
			memcpy(got + used, m.data, m.length);
			used += m.length;
		}
	}
	ck_assert_mem_eq(sent, got, sizeof(sent));
}
END_TEST

START_TEST(what_is_no_message_is_told)
{
	const struct wire_header longest = { WIRE_DATA, WIRE_MAX_BYTES };
	const struct wire_header longer = { WIRE_DATA, WIRE_MAX_BYTES + 1 };
	const struct wire_message shorter = { .type = WIRE_EXIT, .length = 3 };
	static struct wire w;
	struct wire_message m;
	int ends[2];

	make_channel(ends);
	wire_init(&w, ends[0], ends[0]);
	ck_assert_int_eq(write(ends[1], &longest, sizeof(longest)), sizeof(longest));
	ck_assert_int_gt(wire_read(&w), 0);
	ck_assert_int_eq(wire_next(&w, &m), 0);
	wire_init(&w, ends[0], ends[0]);
	ck_assert_int_eq(write(ends[1], &longer, sizeof(longer)), sizeof(longer));
	ck_assert_int_gt(wire_read(&w), 0);
	ck_assert_int_eq(wire_next(&w, &m), -1);
	ck_assert_uint_eq(wire_number(&shorter), 0);
}
END_TEST

/* An emulator prints to the channel, too, before the agent says its words. */
START_TEST(messages_begin_behind_the_magic_words)
{
	static const char before[] = "Bochs says this\nminivmm-la";
	static struct wire in, out;
	struct wire_message m;
	int ends[2];

	make_channel(ends);
	wire_init(&in, ends[0], ends[0]);
	wire_init(&out, ends[1], ends[1]);
	wire_send_raw(&out, before, strlen(before));
	ck_assert_int_gt(wire_read(&in), 0);
	ck_assert(!wire_synchronise(&in));
	wire_send_raw(&out, WIRE_MAGIC, 5);
	ck_assert_int_gt(wire_read(&in), 0);
	ck_assert(!wire_synchronise(&in));
	wire_send_raw(&out, &WIRE_MAGIC[5], strlen(WIRE_MAGIC) - 5);
	wire_send(&out, WIRE_HELLO, NULL, 0);
	ck_assert_int_gt(wire_read(&in), 0);
	ck_assert(wire_synchronise(&in));
	ck_assert_int_eq(wire_next(&in, &m), 1);
	ck_assert_int_eq(m.type, WIRE_HELLO);
	ck_assert_uint_eq(m.length, 0);
	ck_assert_int_eq(wire_next(&in, &m), 0);
}
END_TEST

/* ---- the end of a machine ---------------------------------------------------------------------
 */

/* A relay whose machine is the test: it has said all that it says before the relay runs. */
static struct lab_options options;
static struct relay relay;
static struct emulator emulator;
static struct wire machine;
static int console;

static void make_machine(const char *command)
{
	struct error err;
	int channel[2], lines[2];

	make_channel(channel);
	make_channel(lines);
	enter_directory();
	ck_assert_int_eq(prepare(command, &err), 0);
	parse_well("lab guest.elf", &options);
	emulator = (struct emulator){ .in_fd = channel[0],
				      .out_fd = channel[0],
				      .console_fd = lines[0],
				      .control_fd = -1,
				      .log_fd = -1 };
	relay = (struct relay){ .emulator = &emulator, .options = &options, .files = &files };
	wire_init(&machine, channel[1], channel[1]);
	console = lines[1];
}

static void machine_starts(void)
{
	wire_send_raw(&machine, WIRE_MAGIC, strlen(WIRE_MAGIC));
	wire_send(&machine, WIRE_HELLO, NULL, 0);
}

static void print_on_console(const char *text)
{
	ck_assert_int_eq(write(console, text, strlen(text)), (ssize_t)strlen(text));
}

START_TEST(a_command_ends_with_its_status_and_its_files)
{
	const uint32_t output = 0;

	make_machine("g.elf --json r.json");
	machine_starts();
	wire_send(&machine, WIRE_ALIVE, NULL, 0);
	wire_send(&machine, WIRE_FILE, &output, sizeof(output));
	wire_send(&machine, WIRE_DATA, "result", 6);
	wire_send(&machine, WIRE_END, NULL, 0);
	wire_send_number(&machine, WIRE_EXIT, 130);
	relay_run(&relay);
	ck_assert(relay.ended && !relay.death);
	ck_assert_int_eq(relay.status, 130);
	ck_assert_int_eq(relay.failure.status, 0);
	assert_holds("r.json", "result");
	leave_directory("r.json");
}
END_TEST

START_TEST(a_file_that_cannot_be_written_is_a_failure)
{
	const uint32_t output = 3;

	make_machine("g.elf");
	machine_starts();
	wire_send(&machine, WIRE_FILE, &output, sizeof(output));
	wire_send(&machine, WIRE_END, NULL, 0);
	wire_send_number(&machine, WIRE_EXIT, 0);
	relay_run(&relay);
	ck_assert(relay.ended);
	ck_assert_int_eq(relay.failure.status, EXIT_HOST);
	leave_directory("");
}
END_TEST

/* What was said before the end counts, and the console tells of a panic. */
START_TEST(a_machine_that_dies_says_how)
{
	const struct wire_header no_message = { WIRE_DATA, ~0u };
	static const struct {
		const char *console, *death;
		bool started, rubbish;
	} table[] = {
		{ "", "turned itself off", false, false },
		{ "", "turned itself off", true, false },
		{ "Kernel panic - not syncing", "panicked", false, false },
		{ "Kernel panic - not syncing", "panicked", true, false },
		{ "", "sent what is no message", true, true },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++) {
		make_machine("g.elf");
		if (table[i].started)
			machine_starts();
		if (table[i].rubbish)
			wire_send_raw(&machine, &no_message, sizeof(no_message));
		print_on_console(table[i].console);
		close(console);
		close(machine.out_fd);
		relay_run(&relay);
		ck_assert(!relay.ended && relay.death);
		ck_assert_str_eq(relay.death, table[i].death);
		ck_assert_int_eq(relay.running, table[i].started);
		leave_directory("");
	}
}
END_TEST

/* Bochs's channel is a FIFO, which has no end before it was opened. */
START_TEST(an_emulator_that_ended_before_it_began_is_noticed)
{
	make_machine("g.elf");
	emulator.pid = -1;
	relay_run(&relay);
	ck_assert(!relay.ended && relay.death);
	ck_assert_str_eq(relay.death, "turned itself off");
	leave_directory("");

	make_machine("g.elf");
	emulator.pid = -1;
	machine_starts();
	wire_send_number(&machine, WIRE_EXIT, 5); /* what it sent before counts */
	relay_run(&relay);
	ck_assert(relay.ended && !relay.death);
	ck_assert_int_eq(relay.status, 5);
	leave_directory("");
}
END_TEST

START_TEST(of_a_long_console_the_end_is_kept)
{
	static char much[2 * CONSOLE_TAIL_BYTES];

	make_machine("g.elf");
	memset(much, 'x', sizeof(much) - 1);
	print_on_console(much);
	print_on_console("the last one\n");
	close(console);
	close(machine.out_fd);
	relay_run(&relay);
	ck_assert_uint_eq(relay.console_used, CONSOLE_TAIL_BYTES);
	ck_assert_uint_eq(strlen(relay.console), CONSOLE_TAIL_BYTES);
	ck_assert_str_eq(relay.console + CONSOLE_TAIL_BYTES - 13, "the last one\n");
	leave_directory("");
}
END_TEST

START_TEST(a_machine_has_no_more_time_than_it_is_given)
{
	make_machine("g.elf");
	options.timeout_ns = 1;
	machine_starts();
	relay_run(&relay);
	ck_assert_str_eq(relay.death, "still ran when the time of --timeout was over");
	leave_directory("");
}
END_TEST

/* A machine that is silent hangs once its emulator had the CPU for long, and some time anyway. */
START_TEST(silence_of_a_machine_that_had_no_cpu_is_no_hang)
{
	static const struct {
		enum lab_machine machine;
		unsigned pcpus;
		unsigned silent_s, cpu_s;
		bool hung;
	} table[] = {
		{ LAB_SVM, 2, 1, 1, false },	  { LAB_SVM, 2, 80, 80, false },
		{ LAB_SVM, 2, 100, 50, true },	  { LAB_SVM, 2, 100, 10, false },
		{ LAB_SVM, 2, 230, 10, false },	  { LAB_SVM, 2, 250, 0, true },
		{ LAB_VMX, 2, 100, 50, false },	  { LAB_VMX, 2, 370, 190, true },
		{ LAB_VMX, 2, 900, 100, false },  { LAB_VMX, 2, 1000, 0, true },
		{ LAB_VMX, 8, 1000, 700, false }, { LAB_VMX, 8, 2000, 750, true },
	};

	for (unsigned i = 0; i < COUNT_OF(table); i++)
		ck_assert_msg(relay_is_hung(table[i].machine, table[i].pcpus,
					    table[i].silent_s * NS_PER_S,
					    table[i].cpu_s * NS_PER_S) == table[i].hung,
			      "row %u", i);
}
END_TEST

/* ---- the emulator's command line ------------------------------------------------------------- */

static const char *value_of(const struct words *w, const char *option)
{
	for (unsigned i = 0; i + 1 < w->nr; i++) {
		if (strcmp(w->word[i], option) == 0)
			return w->word[i + 1];
	}
	ck_abort_msg("no %s", option);
	return "";
}

START_TEST(qemu_is_told_what_the_options_say)
{
	static struct lab_kernel kernel = { .image = "/boot/a kernel" };
	const struct initramfs image = { .fd = 9 };
	const struct machine_plan plan = { &options, &kernel, &image };
	struct words w = { 0 };

	parse_well("lab --pcpus 5 --memory 384M guest.elf", &options);
	qemu_add_words(&w, &plan, 4, 5, 6);
	ck_assert_uint_lt(w.nr, EMULATOR_MAX_WORDS);
	ck_assert_ptr_null(w.word[w.nr]);
	ck_assert_str_eq(value_of(&w, "-smp"), "5");
	ck_assert_str_eq(value_of(&w, "-m"), "384M");
	ck_assert_str_eq(value_of(&w, "-kernel"), "/boot/a kernel");
	ck_assert_str_eq(value_of(&w, "-initrd"), "/proc/self/fd/9");
	ck_assert_str_eq(value_of(&w, "-accel"), "tcg,thread=single");
	ck_assert_ptr_nonnull(strstr(value_of(&w, "-append"), "-- lab-agent"));
	for (unsigned i = 0, fd = 4; i < w.nr; i++) {
		if (strcmp(w.word[i], "-chardev") != 0)
			continue;
		static const char *const in_order[] = { "console,fd=5", "control,fd=6",
							"channel,fd=4" };
		ck_assert_ptr_nonnull(strstr(w.word[i + 1], in_order[fd++ - 4]));
	}
	words_free(&w);
}
END_TEST

#define TESTS(X)                                                \
	X(defaults_make_a_machine_with_svm)                     \
	X(each_option_is_taken)                                 \
	X(a_repeatable_machine_is_one_of_bochs)                 \
	X(the_command_begins_behind_the_options)                \
	X(every_mistake_is_named_in_one_line)                   \
	X(includes_are_counted)                                 \
	X(help_is_in_lines_of_80)                               \
	X(files_of_a_command_are_found)                         \
	X(what_cannot_be_written_is_refused_at_once)            \
	X(files_come_out_whole_or_not_at_all)                   \
	X(files_of_a_directory_come_out_below_it)               \
	X(names_that_lead_elsewhere_are_refused)                \
	X(links_on_the_way_are_taken_in)                        \
	X(what_is_not_there_is_not_taken_in)                    \
	X(the_image_is_one_that_linux_unpacks)                  \
	X(modules_are_loaded_behind_those_they_need)            \
	X(a_signature_is_left_out)                              \
	X(a_program_comes_without_what_is_not_loaded)           \
	X(what_is_no_program_comes_as_it_is)                    \
	X(a_kernel_that_is_none_is_named)                       \
	X(a_kernel_that_was_fetched_in_part_is_none)            \
	X(a_path_inside_does_not_depend_on_where_it_is_outside) \
	X(a_path_that_is_too_long_is_refused)                   \
	X(a_seed_is_added_where_none_is_given)                  \
	X(an_image_says_nothing_of_its_host)                    \
	X(a_digest_is_what_sha256sum_says)                      \
	X(messages_arrive_in_pieces_and_in_order)               \
	X(what_is_no_message_is_told)                           \
	X(messages_begin_behind_the_magic_words)                \
	X(a_command_ends_with_its_status_and_its_files)         \
	X(a_file_that_cannot_be_written_is_a_failure)           \
	X(a_machine_that_dies_says_how)                         \
	X(an_emulator_that_ended_before_it_began_is_noticed)    \
	X(of_a_long_console_the_end_is_kept)                    \
	X(a_machine_has_no_more_time_than_it_is_given)          \
	X(silence_of_a_machine_that_had_no_cpu_is_no_hang)      \
	X(qemu_is_told_what_the_options_say)

UNIT_SUITE(lab, TESTS)
