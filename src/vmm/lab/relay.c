/* SPDX-License-Identifier: MIT */
/* The lab's side of the channel: a loop over all that can happen. */
#define _GNU_SOURCE
#include "vmm/lab/relay.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "vcpu/base/clock.h"

/*
 * A machine that lives says so once a second of its own time. It hangs if it was silent for
 * this long although its emulator had the CPU; on a busy host that may be much longer.
 */
#define SILENCE_S      90
#define SILENCE_CPU_S  45
#define SILENCE_MAX_S  240
#define BOCHS_SLOWNESS 2 /* for each CPU of the machine */
#define TICK_MS	       200

static uint64_t emulator_cpu_ns(const struct relay *r)
{
	clockid_t clock;

	if (r->emulator->pid <= 0 || clock_getcpuclockid(r->emulator->pid, &clock))
		return r->last_sign_cpu_ns;
	return clock_ns(clock);
}

static void note_sign(struct relay *r)
{
	r->last_sign_ns = monotonic_ns();
	r->last_sign_cpu_ns = emulator_cpu_ns(r);
}

/* ---- out ------------------------------------------------------------------------------ */

static int write_all(int fd, const uint8_t *data, size_t length)
{
	while (length > 0) {
		ssize_t n = write(fd, data, length);

		if (n < 0 && (errno == EINTR || errno == EAGAIN))
			continue;
		if (n < 0)
			return -1;
		data += n;
		length -= (size_t)n;
	}
	return 0;
}

/* If nobody takes it, the command learns that, and what to do is its own affair. */
static void print(struct relay *r, int fd, const struct wire_message *m)
{
	if (fd == STDOUT_FILENO && r->printed)
		fwrite(m->data, 1, m->length, r->printed);
	if (write_all(fd, m->data, m->length))
		wire_send_number(&r->wire, WIRE_CLOSE, (uint32_t)fd);
}

static void clear_progress(struct relay *r)
{
	if (r->shows_progress)
		fprintf(stderr, "\r\033[K");
	r->shows_progress = false;
}

static void show_progress(const struct relay *r)
{
	uint64_t s = (monotonic_ns() - r->started_ns) / NS_PER_S;

	if (r->shows_progress)
		fprintf(stderr, "\r\033[Kthe emulated machine starts: %ju s", (uintmax_t)s);
}

static void send_size(struct relay *r)
{
	struct winsize size;

	for (int fd = 0; fd < 3; fd++) {
		if (ioctl(fd, TIOCGWINSZ, &size))
			continue;
		wire_send(&r->wire, WIRE_SIZE, &size, sizeof(size));
		return;
	}
}

static void begin_command(struct relay *r)
{
	clear_progress(r);
	r->running = true;
	send_size(r);
}

static void begin_file(struct relay *r, const struct wire_message *m)
{
	if (m->length >= sizeof(uint32_t))
		lab_files_begin(r->files, wire_number(m), (const char *)m->data + sizeof(uint32_t),
				m->length - sizeof(uint32_t));
}

static void end_file(struct relay *r)
{
	struct error err;

	if (lab_files_end(r->files, &err) && !r->failure.status)
		r->failure = err;
}

static void handle(struct relay *r, const struct wire_message *m)
{
	switch (m->type) {
	case WIRE_HELLO:
		return begin_command(r);
	case WIRE_STDOUT:
		return print(r, STDOUT_FILENO, m);
	case WIRE_STDERR:
		return print(r, STDERR_FILENO, m);
	case WIRE_TAKEN:
		r->input_on_its_way -= wire_number(m) < r->input_on_its_way ? wire_number(m)
									    : r->input_on_its_way;
		return;
	case WIRE_FILE:
		return begin_file(r, m);
	case WIRE_DATA:
		return lab_files_add(r->files, m->data, m->length);
	case WIRE_END:
		return end_file(r);
	case WIRE_EXIT:
		r->status = (int)wire_number(m);
		r->ended = true;
		return;
	default:
		return;
	}
}

static void read_channel(struct relay *r)
{
	struct wire_message message;
	ssize_t n = wire_read(&r->wire);
	int more = 0;

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n <= 0) {
		r->death = "turned itself off";
		return;
	}
	note_sign(r);
	if (!r->synchronised)
		r->synchronised = wire_synchronise(&r->wire);
	if (!r->synchronised)
		return;
	while (!r->ended && (more = wire_next(&r->wire, &message)) > 0)
		handle(r, &message);
	if (!r->ended && more < 0)
		r->death = "sent what is no message";
}

static void read_console(struct relay *r)
{
	char text[4096];
	ssize_t n = read(r->emulator->console_fd, text, sizeof(text));

	if (n <= 0) {
		if (n == 0 || errno != EINTR) {
			close(r->emulator->console_fd);
			r->emulator->console_fd = -1;
		}
		return;
	}
	if (!r->running)
		note_sign(r);
	if (r->console_log)
		write_all(fileno(r->console_log), (uint8_t *)text, (size_t)n);
	if (r->console_used + (size_t)n > CONSOLE_TAIL_BYTES) {
		size_t drop = r->console_used + (size_t)n - CONSOLE_TAIL_BYTES;

		memmove(r->console, r->console + drop, r->console_used - drop);
		r->console_used -= drop;
	}
	memcpy(r->console + r->console_used, text, (size_t)n);
	r->console_used += (size_t)n;
	r->console[r->console_used] = 0;
}

/* QEMU's monitor tells of the machine's end, and keeps its registers for a look at them. */
static void read_control(struct relay *r)
{
	char text[4096];
	ssize_t n = read(r->emulator->control_fd, text, sizeof(text) - 1);

	if (n <= 0)
		return;
	text[n] = 0;
	if (strstr(text, "\"SHUTDOWN\"") && !r->ended)
		r->death = "turned itself off";
}

/* ---- in -------------------------------------------------------------------------------- */

static void read_input(struct relay *r)
{
	uint8_t data[WIRE_MAX_BYTES];
	size_t room = WIRE_STDIN_BYTES - r->input_on_its_way;
	ssize_t n = read(STDIN_FILENO, data, room < sizeof(data) ? room : sizeof(data));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return;
	if (n > 0) {
		wire_send(&r->wire, WIRE_STDIN, data, (size_t)n);
		r->input_on_its_way += (size_t)n;
		return;
	}
	wire_send(&r->wire, WIRE_STDIN_END, NULL, 0);
	r->takes_input = false;
}

static void take_signal(struct relay *r, int signal_fd)
{
	struct signalfd_siginfo info;

	if (read(signal_fd, &info, sizeof(info)) != sizeof(info))
		return;
	int number = (int)info.ssi_signo;
	if (number == SIGCHLD) {
		/* What it sent before is still in the channel, whose end tells of its own. */
		if (r->emulator->pid > 0 &&
		    waitpid(r->emulator->pid, NULL, WNOHANG) == r->emulator->pid)
			r->emulator->pid = -1;
	} else if (number == SIGWINCH) {
		if (r->running)
			send_size(r);
	} else if (r->running && !r->options->repeatable) {
		wire_send_number(&r->wire, WIRE_SIGNAL, (uint32_t)number);
	} else {
		r->signal = number;
	}
}

/* ---- the whole --------------------------------------------------------------------------- */

bool relay_is_hung(enum lab_machine machine, unsigned pcpus, uint64_t silent_ns, uint64_t cpu_ns)
{
	/* In Bochs an idle CPU takes as long for a second of its own as one that works. */
	uint64_t s = NS_PER_S * (machine == LAB_VMX ? BOCHS_SLOWNESS * pcpus : 1);

	return (silent_ns > SILENCE_S * s && cpu_ns > SILENCE_CPU_S * s) ||
	       silent_ns > SILENCE_MAX_S * s;
}

static void look_at_clock(struct relay *r)
{
	uint64_t now = monotonic_ns();

	if (relay_is_hung(r->options->machine, r->options->pcpus, now - r->last_sign_ns,
			  emulator_cpu_ns(r) - r->last_sign_cpu_ns))
		r->death = "hangs";
	if (r->options->timeout_ns && now - r->started_ns > r->options->timeout_ns)
		r->death = "still ran when the time of --timeout was over";
	if (!r->running)
		show_progress(r);
}

static int open_signals(void)
{
	static const int numbers[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH, SIGCHLD };
	sigset_t set;

	sigemptyset(&set);
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		sigaddset(&set, numbers[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

/* One round. What the machine has sent counts before its end does. */
static void relay_once(struct relay *r, int signal_fd)
{
	bool input = r->running && r->takes_input && r->input_on_its_way < WIRE_STDIN_BYTES;
	bool gone = r->emulator->pid < 0; /* before its channel was looked at for the last time */
	struct pollfd fds[] = {
		{ .fd = r->wire.in_fd, .events = POLLIN },
		{ .fd = r->emulator->console_fd, .events = POLLIN },
		{ .fd = r->emulator->control_fd, .events = POLLIN },
		{ .fd = input ? STDIN_FILENO : -1, .events = POLLIN },
		{ .fd = signal_fd, .events = POLLIN },
	};

	poll(fds, sizeof(fds) / sizeof(fds[0]), TICK_MS);
	if (fds[1].revents)
		read_console(r);
	if (fds[3].revents)
		read_input(r);
	if (fds[4].revents)
		take_signal(r, signal_fd);
	if (fds[0].revents)
		read_channel(r);
	else if (fds[2].revents)
		read_control(r);
	else if (gone && !r->ended) /* a FIFO that it never opened has no end */
		r->death = "turned itself off";
	look_at_clock(r);
}

static bool has_more(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	return fd >= 0 && poll(&poll_fd, 1, 0) > 0;
}

void relay_run(struct relay *r)
{
	int signal_fd = open_signals();

	/* Into a repeatable machine nothing leads. */
	wire_init(&r->wire, r->emulator->in_fd, r->options->repeatable ? -1 : r->emulator->out_fd);
	r->started_ns = monotonic_ns();
	note_sign(r);
	while (!r->ended && !r->death && !r->signal)
		relay_once(r, signal_fd);
	clear_progress(r);
	while (r->death && has_more(r->emulator->console_fd))
		read_console(r);
	if (r->death && strstr(r->console, "Kernel panic"))
		r->death = "panicked";
	close(signal_fd);
}
