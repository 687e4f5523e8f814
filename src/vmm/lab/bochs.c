/* SPDX-License-Identifier: MIT */
/*
 * A machine with VMX, emulated by Bochs. See docs/hosts.md.
 *
 * Bochs starts from a disk, and takes its settings from files: they are in a directory of
 * their own, which a child removes when this process has ended, however it ended.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "vmm/base/remove_tree.h"
#include "vmm/base/sha256.h"
#include "vmm/lab/emulator.h"

/* So few that a virtual second of busy CPUs takes seconds. The start is of work, not of waiting. */
#define INSTRUCTIONS_PER_S 100000000u

/* When the machine starts, in its own time: seconds since 1970. */
#define YEAR_2000 "946684800"

#define BIOS	 "/usr/share/bochs/BIOS-bochs-latest"
#define VGA_BIOS "/usr/share/vgabios/vgabios-stdvga.bin"

/* Programs and files that are needed, and the Debian package of each. */
static const struct {
	const char *program, *file, *package;
} needs[] = {
	{ "bochs", NULL, "bochs" },
	{ "xorriso", NULL, "xorriso" },
	{ "gzip", NULL, "gzip" },
	{ NULL, BIOS, "bochsbios" },
	{ NULL, VGA_BIOS, "vgabios" },
	{ NULL, "/usr/lib/ISOLINUX/isolinux.bin", "isolinux" },
	{ NULL, "/usr/lib/syslinux/modules/bios/ldlinux.c32", "syslinux-common" },
};

int bochs_check(struct error *err)
{
	for (unsigned i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		bool there = needs[i].program ? find_program(needs[i].program, NULL)
					      : access(needs[i].file, R_OK) == 0;

		if (!there)
			return error_set(err, EXIT_HOST,
					 "lab: there is no %s: install Debian's package %s",
					 needs[i].program ? needs[i].program : needs[i].file,
					 needs[i].package);
	}
	return 0;
}

void bochs_name(char name[64])
{
	char line[160] = "", version[32] = "of an unknown version";
	FILE *file = popen("bochs --help 2>&1 </dev/null", "re");

	while (file && fgets(line, sizeof(line), file)) {
		const char *at = strstr(line, "Bochs x86 Emulator ");

		if (at && sscanf(at, "Bochs x86 Emulator %31[0-9.]", version) == 1)
			break;
	}
	if (file)
		pclose(file);
	snprintf(name, 64, "Bochs %s", version);
}

/* ---- the directory ------------------------------------------------------------------- */

/* In the child: waits until nobody holds the other end of the pipe, then removes it. */
static _Noreturn void remove_later(const char *directory, int pipe_fd)
{
	sigset_t all;
	char byte;

	setsid();
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, NULL);
	for (int fd = 0; fd < 256; fd++) {
		if (fd != pipe_fd)
			close(fd);
	}
	while (read(pipe_fd, &byte, 1) < 0 && errno == EINTR)
		;
	remove_tree(directory);
	_exit(0);
}

static int make_directory(struct emulator *e, struct error *err)
{
	int ends[2];

	strcpy(e->directory, "/tmp/minivmm-lab-XXXXXX");
	if (pipe2(ends, O_CLOEXEC) || !mkdtemp(e->directory))
		return error_set_errno(err, EXIT_HOST, errno, "lab: no directory in /tmp");
	pid_t pid = fork();
	if (pid == 0) {
		close(ends[1]);
		if (fork() == 0)
			remove_later(e->directory, ends[0]);
		_exit(0);
	}
	close(ends[0]); /* the other end is closed with this process */
	return pid < 0 ? error_set_errno(err, EXIT_HOST, errno, "lab: fork") : 0;
}

static FILE *create(const struct emulator *e, const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/%s", e->directory, name);
	return fopen(path, "we");
}

static void print_config(FILE *file, const struct lab_options *o, const char *directory,
			 const char *console, const char *channel)
{
	unsigned mib = (unsigned)(o->memory_bytes >> 20);

	fprintf(file,
		"config_interface: textconfig\n"
		"display_library: rfb, options=\"timeout=0\"\n"
		"memory: guest=%u, host=%u\n"
		"romimage: file=" BIOS "\n"
		"vgaromimage: file=" VGA_BIOS "\n"
		"cpu: count=%u:1:1, model=corei7_sandy_bridge_2600k, ips=%u, "
		"reset_on_triple_fault=0\n"
		"boot: cdrom\n"
		"ata0: enabled=1, ioaddr1=0x1f0, ioaddr2=0x3f0, irq=14\n"
		"ata0-master: type=cdrom, path=\"%s/boot.iso\", status=inserted\n"
		"com1: enabled=1, mode=term, dev=%s\n"
		"com2: enabled=%d, mode=term, dev=%s\n"
		"parport1: enabled=1, file=%s/out\n"
		"clock: sync=none, time0=" YEAR_2000 "\n"
		"vga: extension=vbe, update_freq=5, realtime=0\n"
		"log: %s/log\n"
		"panic: action=fatal\n"
		"error: action=report\n"
		"sound: waveoutdrv=dummy, waveindrv=dummy, midioutdrv=dummy\n"
		"speaker: enabled=0\n",
		mib, mib, o->pcpus, INSTRUCTIONS_PER_S, directory, console, !o->repeatable, channel,
		directory, directory);
}

static int write_config(const struct emulator *e, const struct machine_plan *plan,
			const char *console, const char *channel)
{
	FILE *file = create(e, "bochsrc");

	if (!file)
		return -1;
	print_config(file, plan->options, e->directory, console, channel);
	fclose(file);
	file = create(e, "rc"); /* Debian's has the debugger, which waits to be told */
	if (!file)
		return -1;
	fputs("c\n", file);
	return fclose(file);
}

/* Bochs's command line says nothing but where this is. */
static int keep_config(const struct machine_plan *plan, const struct emulator *e,
		       const char *console, const char *channel, struct error *err)
{
	const struct lab_options *o = plan->options;
	FILE *file;

	if (!o->keep)
		return 0;
	file = keep_open(o, "bochsrc", err);
	if (!file)
		return -1;
	print_config(file, o, e->directory, console, channel);
	fclose(file);
	return 0;
}

/*
 * isolinux starts the kernel; a compressed image costs the emulated disk less time. The disk
 * is the same wherever and whenever it is made.
 */
static int make_disk(const struct emulator *e, const struct machine_plan *plan)
{
	char command[2 * PATH_MAX];

	snprintf(command, sizeof(command),
		 "set -e; umask 022; export SOURCE_DATE_EPOCH=" YEAR_2000 "; cd '%s'; "
		 "mkdir -p iso/isolinux; "
		 "gzip -1n </proc/%d/fd/%d >iso/initrd.gz; "
		 "cp '%s' iso/vmlinuz; "
		 "cp /usr/lib/ISOLINUX/isolinux.bin /usr/lib/syslinux/modules/bios/ldlinux.c32 "
		 "iso/isolinux/; printf 'DEFAULT l\\nPROMPT 0\\nLABEL l\\nKERNEL /vmlinuz\\nAPPEND "
		 "initrd=/initrd.gz console=ttyS0 quiet l1tf=off cryptomgr.notests "
		 "panic=-1 -- lab-agent\\n' "
		 ">iso/isolinux/isolinux.cfg; find iso -exec touch -d @" YEAR_2000
		 " {} +; xorriso -as "
		 "mkisofs -quiet --modification-date=2000010100000000 -o boot.iso -b "
		 "isolinux/isolinux.bin -c isolinux/boot.cat -no-emul-boot -boot-load-size 4 "
		 "-boot-info-table iso >/dev/null 2>&1",
		 e->directory, (int)getpid(), plan->image->fd, plan->kernel->image);
	return system(command);
}

/* All that the machine does follows from these. */
static int hash_inputs(struct emulator *e, const struct machine_plan *plan, struct error *err)
{
	char disk[128], name[64], *text = NULL, sum[SHA256_TEXT_BYTES];
	const char *const files[] = { disk, BIOS, VGA_BIOS };
	size_t length;
	uint64_t bytes;
	int failed = 0;
	FILE *file = open_memstream(&text, &length);

	snprintf(disk, sizeof(disk), "%s/boot.iso", e->directory);
	bochs_name(name);
	fprintf(file, "%s\n", name);
	print_config(file, plan->options, "", "", "");
	for (unsigned i = 0; i < sizeof(files) / sizeof(files[0]) && !failed; i++) {
		failed = sha256_file(files[i], sum, &bytes, err);
		fprintf(file, "%s\n", failed ? "" : sum);
	}
	fclose(file);
	sha256_text((const uint8_t *)text, length, e->inputs);
	free(text);
	return failed;
}

/* A terminal for a serial line; the slave stays open, so that the line never hangs up. */
static int make_line(int *ret_own, char ret_name[64])
{
	int slave;

	if (openpty(ret_own, &slave, NULL, NULL, NULL) || ttyname_r(slave, ret_name, 64))
		return -1;
	fcntl(*ret_own, F_SETFD, FD_CLOEXEC);
	return fcntl(slave, F_SETFD, FD_CLOEXEC);
}

/* What the machine prints. Opened before Bochs is, which waits for a reader otherwise. */
static int make_printer(struct emulator *e)
{
	char path[128];

	snprintf(path, sizeof(path), "%s/out", e->directory);
	e->in_fd = mkfifo(path, 0600) ? -1 : open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	return e->in_fd < 0 ? -1 : 0;
}

/* With no variables of the user's: the machine's clock would be that of the time zone, TZ. */
static void add_program(struct words *words)
{
	char env[PATH_MAX] = "env", program[PATH_MAX] = "bochs";

	find_program("env", env);
	find_program("bochs", program);
	words_add(words, "%s", env);
	words_add(words, "-i");
	words_add(words, "PATH=%s", getenv("PATH") ? getenv("PATH") : "/usr/bin:/bin");
	words_add(words, "TZ=UTC");
	words_add(words, "%s", program);
}

int bochs_start(const struct machine_plan *plan, struct emulator *ret_emulator, struct error *err)
{
	struct emulator *e = ret_emulator;
	struct words words = { 0 };
	char console[64], channel[64];
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	if (make_directory(e, err))
		return -1;
	if (make_line(&e->console_fd, console) || make_line(&e->out_fd, channel) ||
	    make_printer(e) || write_config(e, plan, console, channel) || make_disk(e, plan))
		return error_set_errno(err, EXIT_HOST, errno,
				       "lab: no disk for the machine in '%s'", e->directory);
	if (plan->options->repeatable && hash_inputs(e, plan, err))
		return -1;
	e->log_fd = memfd_create("bochs-log", MFD_CLOEXEC);
	add_program(&words);
	words_add(&words, "-q");
	words_add(&words, "-f");
	words_add(&words, "%s/bochsrc", e->directory);
	words_add(&words, "-rc");
	words_add(&words, "%s/rc", e->directory);
	const int standard[] = { null, e->log_fd, e->log_fd };
	const int keep[] = { -1 };
	e->pid = words_keep(&words, plan->options, err) ||
				 keep_config(plan, e, console, channel, err)
			 ? -1
			 : emulator_spawn(&words, standard, keep, err);
	words_free(&words);
	close(null);
	return e->pid < 0 ? -1 : 0;
}
