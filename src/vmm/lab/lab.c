/* SPDX-License-Identifier: MIT */
/* `minivmm lab`: from the command line to the end of the emulated machine. */
#define _GNU_SOURCE
#include "vmm/lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "vmm/base/human.h"
#include "vmm/cli/options.h"
#include "vmm/host/host_info.h"
#include "vmm/lab/agent.h"
#include "vmm/lab/emulator.h"
#include "vmm/lab/lab_files.h"
#include "vmm/lab/lab_options.h"
#include "vmm/lab/relay.h"
#include "vmm/lab/repeatable.h"

#define TAIL_LINES 8 /* of the console, when a machine has died */

struct lab {
	struct lab_options options;
	char *program; /* as this one was started */
	int nr_words;
	char **word; /* of the command inside, after its program */
	struct lab_kernel kernel;
	struct initramfs fs;
	struct lab_files files;
	struct emulator emulator;
	struct relay relay;
	struct termios terminal; /* as it was before a shell */
	bool terminal_changed;
	char *printed; /* by the command on stdout, for the digest of a repeatable run */
	size_t printed_bytes;
};

extern char **environ;

/* ---- the command ----------------------------------------------------------------------- */

/* A list of words as the agent reads it. */
struct list {
	char *data;
	size_t used;
	FILE *file;
};

static void list_begin(struct list *list)
{
	list->file = open_memstream(&list->data, &list->used);
}

static void list_add(struct list *list, const char *word)
{
	fputs(word, list->file);
	fputc(0, list->file);
}

static void list_end(struct list *list, struct initramfs *fs, const char *path)
{
	fclose(list->file);
	initramfs_add_text(fs, path, list->data, list->used);
	free(list->data);
}

static void add_text(struct initramfs *fs, const char *path, const char *text)
{
	initramfs_add_text(fs, path, text, strlen(text));
}

/* Errors of the command line need no machine to be told. */
static int check_words(struct lab *lab, struct error *err)
{
	static const char *const subcommands[] = { "host", "sweep", "merge", "trace-stats" };
	struct host_cpus allowed;
	struct options options;

	if (lab->options.exec || lab->options.shell)
		return 0;
	for (unsigned i = 0; i < sizeof(subcommands) / sizeof(subcommands[0]); i++) {
		if (strcmp(lab->word[0], subcommands[i]) == 0)
			return 0;
	}
	host_cpus_number(lab->options.pcpus, &allowed);
	/* The word before the first is there: lab, an option or "--". */
	return options_parse(lab->nr_words + 1, lab->word - 1, &allowed, &options, err);
}

/* A program where it is outside, or where those of repeatable machines are; that is ret_path. */
static int add_program(struct lab *lab, const char *path, char ret_path[PATH_MAX],
		       struct error *err)
{
	const char *slash = strrchr(path, '/');

	if (!lab->options.repeatable) {
		snprintf(ret_path, PATH_MAX, "%s", path);
		return initramfs_add_program(&lab->fs, path, err);
	}
	snprintf(ret_path, PATH_MAX, REPEATABLE_PROGRAMS "/%.200s", slash ? slash + 1 : path);
	return initramfs_add_program_as(&lab->fs, path, ret_path, err);
}

static int add_exec(struct lab *lab, struct list *command, struct error *err)
{
	char path[PATH_MAX], inside[PATH_MAX];

	if (!find_program(lab->word[0], path))
		return error_set(err, EXIT_USAGE, "lab: there is no program '%s'", lab->word[0]);
	if (add_program(lab, path, inside, err))
		return -1;
	list_add(command, inside);
	for (int i = 1; i < lab->nr_words; i++)
		list_add(command, lab->word[i]);
	return 0;
}

static int add_shell(struct lab *lab, struct list *command, struct error *err)
{
	list_add(command, "/bin/sh");
	for (int i = 0; i < lab->nr_words; i++) {
		if (access(lab->word[i], R_OK) == 0 &&
		    initramfs_add_path(&lab->fs, lab->word[i], false, err))
			return -1;
	}
	return initramfs_add_program(&lab->fs, "/bin/sh", err);
}

static int add_minivmm(struct lab *lab, struct list *command, struct error *err)
{
	bool by_path = strchr(lab->program, '/') && !lab->options.repeatable;
	char seed[32];
	int seed_at = lab->options.repeatable ? repeatable_seed_place(lab->nr_words, lab->word)
					      : -1;

	snprintf(seed, sizeof(seed), "--seed=%u", REPEATABLE_SEED);
	list_add(command, by_path ? lab->program : "minivmm");
	for (int i = 0; i < lab->nr_words; i++) {
		if (i == seed_at)
			list_add(command, seed);
		list_add(command, lab->word[i]);
	}
	if (by_path && initramfs_add_path(&lab->fs, lab->program, false, err))
		return -1;
	return lab_files_prepare(&lab->files, lab->nr_words, lab->word, &lab->fs, err);
}

static int add_command(struct lab *lab, struct error *err)
{
	struct list command;

	list_begin(&command);
	int failed = lab->options.exec	  ? add_exec(lab, &command, err)
		     : lab->options.shell ? add_shell(lab, &command, err)
					  : add_minivmm(lab, &command, err);
	list_end(&command, &lab->fs, AGENT_DIRECTORY "/command");
	return failed;
}

/* What speaks of files or libraries outside means nothing inside. */
static bool is_for_inside(const char *variable)
{
	return strncmp(variable, "LD_", 3) != 0 && strncmp(variable, "TMPDIR=", 7) != 0 &&
	       strncmp(variable, "PATH=", 5) != 0 &&
	       strncmp(variable, HOST_EMULATOR_VARIABLE "=", strlen(HOST_EMULATOR_VARIABLE) + 1) !=
		       0;
}

static void add_environment(struct lab *lab)
{
	bool repeatable = lab->options.repeatable;
	const char *path = repeatable ? NULL : getenv("PATH");
	char name[64], text[PATH_MAX];
	struct list list;

	list_begin(&list);
	for (char **variable = environ; *variable && !repeatable; variable++) {
		if (is_for_inside(*variable))
			list_add(&list, *variable);
	}
	snprintf(text, sizeof(text), "PATH=%.3000s:" AGENT_PATH, path ? path : "/usr/bin:/bin");
	list_add(&list, text);
	if (lab->options.machine == LAB_VMX)
		bochs_name(name);
	else
		qemu_name(name);
	snprintf(text, sizeof(text), HOST_EMULATOR_VARIABLE "=%s", name);
	list_add(&list, text);
	list_end(&list, &lab->fs, AGENT_DIRECTORY "/environment");
}

static int add_directory(struct lab *lab, struct error *err)
{
	char cwd[PATH_MAX];

	if (lab->options.repeatable) {
		add_text(&lab->fs, AGENT_DIRECTORY "/directory", REPEATABLE_DIRECTORY);
		initramfs_add_directory(&lab->fs, REPEATABLE_DIRECTORY);
		return 0;
	}
	if (!getcwd(cwd, sizeof(cwd)))
		return error_set_errno(err, EXIT_USAGE, errno, "lab: the current directory");
	add_text(&lab->fs, AGENT_DIRECTORY "/directory", cwd);
	return initramfs_add_way(&lab->fs, cwd, err);
}

static void add_streams(struct lab *lab)
{
	char kinds[4] = "";

	for (int fd = 0; fd < 3; fd++)
		kinds[fd] = !isatty(fd) ? AGENT_PIPE : fd == 0 ? AGENT_NOTHING : AGENT_TERMINAL;
	if (lab->options.shell)
		memset(kinds, AGENT_SHELL, 3);
	if (lab->options.repeatable)
		kinds[0] = AGENT_NOTHING, kinds[1] = kinds[2] = AGENT_PIPE;
	add_text(&lab->fs, AGENT_DIRECTORY "/streams", kinds);
}

static void add_outputs(struct lab *lab)
{
	struct list list;

	list_begin(&list);
	for (unsigned i = 0; i < lab->files.nr; i++)
		list_add(&list, lab->files.output[i].inside);
	list_end(&list, &lab->fs, AGENT_DIRECTORY "/outputs");
}

/* ---- the machine's image ------------------------------------------------------------------ */

/* Bochs refuses KVM's descriptor of posted interrupts, so that it must not use any. */
static int add_vmx_modules(struct lab *lab, struct error *err)
{
	char list[2048] = "", entropy[AGENT_ENTROPY_BYTES] = "the same in each repeatable one";

	lab->kernel.drops_signatures = true;
	if (lab_kernel_add_module(&lab->kernel, &lab->fs, "kvm-intel",
				  lab->options.shadow ? "enable_apicv=0 ept=0"
						      : "enable_apicv=0 ept=1",
				  true, list, err))
		return -1;
	add_text(&lab->fs, AGENT_DIRECTORY "/modules", list);
	add_text(&lab->fs, AGENT_DIRECTORY "/serial", "");
	if (lab->options.repeatable)
		add_text(&lab->fs, AGENT_DIRECTORY "/sealed", "");
	else if (getrandom(entropy, sizeof(entropy), 0) < 0)
		memset(entropy, 0, sizeof(entropy));
	initramfs_add_text(&lab->fs, AGENT_DIRECTORY "/entropy", entropy, sizeof(entropy));
	return 0;
}

static int add_modules(struct lab *lab, struct error *err)
{
	static const char *const channel[] = { "virtio_pci", "virtio_console" };
	char list[2048] = "";

	if (lab->options.machine == LAB_VMX)
		return add_vmx_modules(lab, err);
	for (unsigned i = 0; i < sizeof(channel) / sizeof(channel[0]); i++) {
		if (lab_kernel_add_module(&lab->kernel, &lab->fs, channel[i], "", false, list, err))
			return -1;
	}
	if (lab_kernel_add_module(&lab->kernel, &lab->fs, "kvm-amd",
				  lab->options.shadow ? "npt=0" : "npt=1", true, list, err))
		return -1;
	add_text(&lab->fs, AGENT_DIRECTORY "/modules", list);
	return 0;
}

/* A file or a program, which libraries go with. */
static int add_include(struct lab *lab, const char *word, struct error *err)
{
	bool program = access(word, X_OK) == 0;
	char path[PATH_MAX];

	if (!lab->options.repeatable)
		return program ? initramfs_add_program(&lab->fs, word, err)
			       : initramfs_add_path(&lab->fs, word, false, err);
	if (repeatable_path(&lab->fs, word, path, err))
		return -1;
	return program ? initramfs_add_program_as(&lab->fs, word, path, err)
		       : initramfs_add_as(&lab->fs, word, path, err);
}

static int add_programs(struct lab *lab, struct error *err)
{
	const struct lab_options *o = &lab->options;
	char exe[PATH_MAX], inside[PATH_MAX], busybox[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", exe, sizeof(exe) - 1);

	if (length < 0)
		return error_set_errno(err, EXIT_HOST, errno, "lab: /proc/self/exe");
	exe[length] = 0;
	if (add_program(lab, exe, inside, err))
		return -1;
	initramfs_add_link(&lab->fs, "/init", inside);
	initramfs_add_link(&lab->fs, AGENT_PATH "/minivmm", inside);
	if ((o->exec || o->shell) && find_program("busybox", busybox) &&
	    initramfs_add_file_as(&lab->fs, busybox, AGENT_BUSYBOX, err))
		return -1;
	for (unsigned i = 0; i < o->nr_includes; i++) {
		if (add_include(lab, o->include[i], err))
			return -1;
	}
	return 0;
}

static int build_image(struct lab *lab, struct error *err)
{
	static const char *const directories[] = { "/dev", "/proc", "/sys", "/tmp", "/run" };

	if (initramfs_init(&lab->fs, err))
		return -1;
	lab->fs.same_everywhere = lab->files.repeatable = lab->options.repeatable;
	for (unsigned i = 0; i < sizeof(directories) / sizeof(directories[0]); i++)
		initramfs_add_directory(&lab->fs, directories[i]);
	initramfs_add_node(&lab->fs, "/dev/console", 5, 1);
	if (add_command(lab, err) || add_programs(lab, err) || add_modules(lab, err) ||
	    add_directory(lab, err))
		return -1;
	add_environment(lab);
	add_streams(lab);
	add_outputs(lab);
	return initramfs_finish(&lab->fs, err);
}

/* What Linux could give to a program without swapping, 0 if it does not say. */
static uint64_t available_bytes(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	unsigned long long kib = 0;
	char line[128];

	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "MemAvailable: %llu", &kib) != 1)
		;
	if (file)
		fclose(file);
	return kib << 10;
}

/* The image is in the machine's memory twice while it is unpacked. */
static int check_memory(const struct lab *lab, struct error *err)
{
	uint64_t bytes = lab->options.memory_bytes, available = available_bytes();
	uint64_t needed = 2 * lab->fs.bytes + (160ull << 20);

	if (bytes < needed)
		return error_set(err, EXIT_USAGE,
				 "lab: --memory %s is too little for what is to be "
				 "in the machine: give %s",
				 human_size(bytes).text, human_size((needed | 0xfffffff) + 1).text);
	if (available && available < bytes)
		return error_set(err, EXIT_HOST,
				 "lab: the machine needs %s of memory and %juM are "
				 "free: give less by --memory",
				 human_size(bytes).text, (uintmax_t)(available >> 20));
	return 0;
}

/* ---- what is kept ------------------------------------------------------------------------- */

static int keep_image(const struct lab *lab, struct error *err)
{
	FILE *file = keep_open(&lab->options, "initramfs", err);
	off_t from = 0;

	if (!file)
		return -1;
	int fd = fileno(file);
	while (from < (off_t)lab->fs.bytes &&
	       copy_file_range(lab->fs.fd, &from, fd, NULL, lab->fs.bytes, 0) > 0)
		;
	char buffer[65536];
	ssize_t n;
	/* Not every file system copies from a nameless file. */
	while ((n = pread(lab->fs.fd, buffer, sizeof(buffer), from)) > 0 &&
	       write(fd, buffer, (size_t)n) == n)
		from += n;
	fclose(file);
	return 0;
}

static int prepare_keep(struct lab *lab, struct error *err)
{
	if (!lab->options.keep)
		return 0;
	if (mkdir(lab->options.keep, 0777) && errno != EEXIST)
		return error_set_errno(err, EXIT_USAGE, errno, "lab: --keep '%s'",
				       lab->options.keep);
	lab->relay.console_log = keep_open(&lab->options, "console", err);
	return !lab->relay.console_log || keep_image(lab, err) ? -1 : 0;
}

/* ---- the end of a machine ---------------------------------------------------------------------
 */

static void print_tail(const char *title, const char *text)
{
	const char *from = text + strlen(text);

	for (unsigned lines = 0; from > text && lines <= TAIL_LINES; from--)
		lines += from[-1] == '\n';
	from += from > text ? 2 : 0;
	if (*from)
		fprintf(stderr, "%s:\n%s%s", title, from, strchr(from, 0)[-1] == '\n' ? "" : "\n");
}

/* Without those of floating point, which would hide the rest. */
static void print_registers(struct lab *lab)
{
	char *text = qemu_read_registers(&lab->emulator), *line, *rest = text;

	if (text)
		fprintf(stderr, "its CPUs:\n");
	while (rest && (line = strsep(&rest, "\n"))) {
		line[strcspn(line, "\r")] = 0;
		if (*line && strncmp(line, "FCW", 3) != 0 && strncmp(line, "FPR", 3) != 0 &&
		    strncmp(line, "XMM", 3) != 0 && strncmp(line, "YMM", 3) != 0)
			fprintf(stderr, "%s\n", line);
	}
	free(text);
}

static void print_log(const struct emulator *e)
{
	char text[4097] = "";

	if (e->log_fd >= 0 && pread(e->log_fd, text, sizeof(text) - 1, 0) > 0)
		print_tail("its emulator said", text);
}

static int report_death(struct lab *lab)
{
	const struct relay *r = &lab->relay;

	fprintf(stderr, "minivmm: lab: the emulated machine %s before %s had ended\n", r->death,
		r->running ? "the command" : "its start");
	print_tail("its console", r->console);
	print_log(&lab->emulator);
	print_registers(lab);
	return EXIT_HOST;
}

/* ---- the terminal of a shell ------------------------------------------------------------------
 */

static void take_terminal(struct lab *lab)
{
	struct termios raw;

	if (!lab->options.shell || tcgetattr(STDIN_FILENO, &lab->terminal))
		return;
	raw = lab->terminal;
	cfmakeraw(&raw);
	lab->terminal_changed = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

static void give_terminal_back(const struct lab *lab)
{
	if (lab->terminal_changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &lab->terminal);
}

/* ---- the whole ----------------------------------------------------------------------------------
 */

static int prepare(struct lab *lab, struct error *err)
{
	const struct lab_options *o = &lab->options;

	bool vmx = o->machine == LAB_VMX;

	if (check_words(lab, err) || (vmx ? bochs_check(err) : qemu_check(err)) ||
	    lab_kernel_find(&lab->kernel, o->kernel, o->modules, err) || build_image(lab, err) ||
	    check_memory(lab, err))
		return -1;
	return prepare_keep(lab, err);
}

/* The last line is of the JSON that came out, else of what was printed; above is what it follows
 * from. */
static void print_digest(struct lab *lab)
{
	char *digest = lab->files.digest;

	fclose(lab->relay.printed);
	if (!*digest)
		sha256_text((const uint8_t *)lab->printed, lab->printed_bytes, digest);
	free(lab->printed);
	if (lab->relay.ended &&
	    printf("inputs sha256:%s\ndigest sha256:%s\n", lab->emulator.inputs, digest) > 0)
		fflush(stdout);
}

static int run_machine(struct lab *lab, struct error *err)
{
	const struct machine_plan plan = { &lab->options, &lab->kernel, &lab->fs };
	struct relay *r = &lab->relay;

	r->emulator = &lab->emulator;
	r->options = &lab->options;
	r->files = &lab->files;
	r->shows_progress = isatty(STDERR_FILENO);
	r->takes_input = !lab->options.repeatable && (lab->options.shell || !isatty(STDIN_FILENO));
	if (lab->options.repeatable)
		r->printed = open_memstream(&lab->printed, &lab->printed_bytes);
	signal(SIGPIPE, SIG_IGN);
	if (lab->options.machine == LAB_VMX ? bochs_start(&plan, &lab->emulator, err)
					    : qemu_start(&plan, &lab->emulator, err))
		return -1;
	take_terminal(lab);
	relay_run(r);
	give_terminal_back(lab);
	if (r->printed)
		print_digest(lab);
	if (r->ended && r->failure.status) {
		*err = r->failure;
		return -1;
	}
	return 0;
}

static int lab_status(struct lab *lab)
{
	const struct relay *r = &lab->relay;

	if (r->ended)
		return r->status;
	return r->signal ? 128 + r->signal : report_death(lab);
}

static void finish(struct lab *lab)
{
	emulator_end(&lab->emulator);
	lab_files_finish(&lab->files);
	initramfs_free(&lab->fs);
	if (lab->relay.console_log)
		fclose(lab->relay.console_log);
}

int lab_command(int argc, char *argv[])
{
	static struct lab lab = {
		.fs = { .fd = -1 },
		.emulator = { .in_fd = -1,
			      .out_fd = -1,
			      .console_fd = -1,
			      .control_fd = -1,
			      .log_fd = -1 },
	};
	struct error err;
	int rest, status;

	if (lab_options_parse(argc, argv, &lab.options, &rest, &err)) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		return err.status;
	}
	if (lab.options.help) {
		lab_options_print_help(stdout);
		return fflush(stdout) ? EXIT_HOST : EXIT_PASS;
	}
	lab.program = argv[-1];
	lab.nr_words = argc - rest;
	lab.word = argv + rest;
	if (prepare(&lab, &err) || run_machine(&lab, &err)) {
		fprintf(stderr, "minivmm: %s\n", err.text);
		status = err.status;
	} else {
		status = lab_status(&lab);
	}
	finish(&lab);
	return status;
}
