/* SPDX-License-Identifier: MIT */
/* A machine with SVM, emulated by QEMU (TCG). See docs/hosts.md. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <json-c/json.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "vmm/lab/agent.h"
#include "vmm/lab/emulator.h"

#define PROGRAM	       "qemu-system-x86_64"
#define ANSWER_WAIT_MS 5000

void qemu_name(char name[64])
{
	char line[128] = "", version[32] = "of an unknown version";
	FILE *file = popen(PROGRAM " --version 2>/dev/null", "re");

	if (file) {
		if (fgets(line, sizeof(line), file))
			sscanf(line, "QEMU emulator version %31[0-9.]", version);
		pclose(file);
	}
	snprintf(name, 64, "QEMU %s (TCG)", version);
}

int qemu_check(struct error *err)
{
	if (!find_program(PROGRAM, NULL))
		return error_set(err, EXIT_HOST,
				 "lab: there is no " PROGRAM
				 ": install Debian's package qemu-system-x86");
	if (access("/usr/share/seabios/bios-256k.bin", R_OK) &&
	    access("/usr/share/qemu/bios-256k.bin", R_OK))
		return error_set(err, EXIT_HOST,
				 "lab: QEMU has no BIOS to start a machine with: "
				 "install Debian's package seabios");
	return 0;
}

/*
 * All emulated CPUs by one thread: with one for each, QEMU 7.2 mixes up the states of guest
 * and host (docs/hosts.md). A machine that ends is kept for a look at its registers.
 */
void qemu_add_words(struct words *w, const struct machine_plan *plan, int channel, int console,
		    int control)
{
	const struct lab_options *o = plan->options;
	static const char *const fixed[] = {
		"-nodefaults", "-no-user-config",   "-display",
		"none",	       "-machine",	    "q35",
		"-accel",      "tcg,thread=single", "-cpu",
		"max",	       "-action",	    "reboot=shutdown,shutdown=pause",
	};

	for (unsigned i = 0; i < sizeof(fixed) / sizeof(fixed[0]); i++)
		words_add(w, "%s", fixed[i]);
	words_add(w, "-smp");
	words_add(w, "%u", o->pcpus);
	words_add(w, "-m");
	words_add(w, "%juM", (uintmax_t)(o->memory_bytes >> 20));
	words_add(w, "-chardev");
	words_add(w, "socket,id=console,fd=%d", console);
	words_add(w, "-serial");
	words_add(w, "chardev:console");
	words_add(w, "-chardev");
	words_add(w, "socket,id=control,fd=%d", control);
	words_add(w, "-mon");
	words_add(w, "chardev=control,mode=control");
	words_add(w, "-device");
	words_add(w, "virtio-serial-pci");
	words_add(w, "-chardev");
	words_add(w, "socket,id=channel,fd=%d", channel);
	words_add(w, "-device");
	words_add(w, "virtserialport,chardev=channel,name=" AGENT_CHANNEL);
	words_add(w, "-kernel");
	words_add(w, "%s", plan->kernel->image);
	words_add(w, "-initrd");
	words_add(w, "/proc/self/fd/%d", plan->image->fd);
	words_add(w, "-append");
	/* no_timer_check: beside other work the clock's interrupts come late, and Linux, which
	 * counts them while it waits for so many of its cycles, would panic ("IO-APIC + timer
	 * doesn't work"). */
	words_add(w, "console=ttyS0 no_timer_check %spanic=-1 -- lab-agent",
		  plan->options->keep ? "" : "quiet ");
}

static int make_pair(int *ret_own, int *ret_other)
{
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair))
		return -1;
	*ret_own = pair[0];
	*ret_other = pair[1];
	return 0;
}

/* QEMU tells nothing before its client has agreed on what it can do. */
static void begin_control(const struct emulator *e)
{
	static const char text[] = "{\"execute\": \"qmp_capabilities\"}\n";

	(void)!write(e->control_fd, text, sizeof(text) - 1);
}

int qemu_start(const struct machine_plan *plan, struct emulator *ret_emulator, struct error *err)
{
	struct emulator *e = ret_emulator;
	struct words words = { 0 };
	int channel = -1, console = -1, control = -1;
	char program[PATH_MAX] = PROGRAM;

	if (make_pair(&e->in_fd, &channel) || make_pair(&e->console_fd, &console) ||
	    make_pair(&e->control_fd, &control))
		return error_set_errno(err, EXIT_HOST, errno, "lab: no sockets for the machine");
	e->out_fd = e->in_fd;
	e->log_fd = memfd_create("qemu-log", MFD_CLOEXEC);
	find_program(PROGRAM, program);
	words_add(&words, "%s", program);
	qemu_add_words(&words, plan, channel, console, control);
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	const int standard[] = { null, e->log_fd, e->log_fd };
	const int keep[] = { channel, console, control, plan->image->fd, -1 };
	e->pid = words_keep(&words, plan->options, err)
			 ? -1
			 : emulator_spawn(&words, standard, keep, err);
	words_free(&words);
	close(null);
	close(channel);
	close(console);
	close(control);
	begin_control(e);
	return e->pid < 0 ? -1 : 0;
}

/* ---- registers --------------------------------------------------------------------- */

/* The text of an answer in a line, NULL of anything else that the monitor says. */
static char *answer_of(const char *line)
{
	json_object *o = json_tokener_parse(line), *text;
	char *answer = NULL;

	if (o && json_object_object_get_ex(o, "return", &text) &&
	    json_object_is_type(text, json_type_string))
		answer = strdup(json_object_get_string(text));
	json_object_put(o);
	return answer;
}

char *qemu_read_registers(const struct emulator *e)
{
	static const char text[] = "{\"execute\": \"human-monitor-command\", \"arguments\": "
				   "{\"command-line\": \"info registers -a\"}}\n";
	char *answer = NULL, *line, buffer[1u << 18];
	size_t used = 0;

	if (e->control_fd < 0 || write(e->control_fd, text, sizeof(text) - 1) < 0)
		return NULL;
	while (!answer && used < sizeof(buffer) - 1) {
		struct pollfd poll_fd = { .fd = e->control_fd, .events = POLLIN };
		ssize_t n = poll(&poll_fd, 1, ANSWER_WAIT_MS) > 0
				    ? read(e->control_fd, buffer + used, sizeof(buffer) - 1 - used)
				    : 0;

		if (n <= 0)
			break;
		used += (size_t)n;
		buffer[used] = 0;
		for (line = buffer; !answer && strchr(line, '\n'); line = strchr(line, '\n') + 1)
			answer = answer_of(line);
	}
	return answer;
}
