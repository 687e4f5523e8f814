/* SPDX-License-Identifier: MIT */
/*
 * The first process of an emulated machine: loads KVM, runs one command, and passes on what it
 * prints, what it is sent and what it leaves behind. It ends with the machine.
 */
#define _GNU_SOURCE
#include "vmm/lab/agent.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <linux/random.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include "vcpu/base/error.h"
#include "vmm/lab/wire.h"

#define MAX_WORDS	4096
#define CHANNEL_WAIT_MS 20000

struct stream {
	int fd;	       /* the agent's end, -1: closed */
	int child_fd;  /* the command's end */
	bool terminal; /* which reads EIO when the command has gone */
};

struct agent {
	struct wire wire;
	struct stream stream[3];
	pid_t child;
	int signal_fd, timer_fd;
	uint8_t input[WIRE_STDIN_BYTES]; /* for the command's stdin */
	size_t input_used;
	bool input_ends;
};

/* To the console, whose last lines the lab shows. */
static _Noreturn void turn_off(const char *what)
{
	fprintf(stderr, "minivmm lab-agent: %s: %s\n", what, strerror(errno));
	sync();
	reboot(RB_POWER_OFF);
	for (;;)
		pause();
}

/* ---- files of the lab ------------------------------------------------------------------- */

/* A whole file with a NUL behind it, never freed. */
static char *read_file(const char *name, size_t *ret_length)
{
	char path[64], *data = NULL;
	size_t room = 1u << 20;

	snprintf(path, sizeof(path), AGENT_DIRECTORY "/%s", name);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	data = fd < 0 ? NULL : malloc(room);
	ssize_t n = data ? read(fd, data, room - 1) : -1;
	if (n < 0)
		turn_off(path);
	close(fd);
	data[n] = 0;
	*ret_length = (size_t)n;
	return data;
}

/* The words of a list, NULL behind the last, never freed. */
static char **read_list(const char *name)
{
	char **words = calloc(MAX_WORDS + 1, sizeof(*words));
	size_t length, nr = 0;
	char *data = read_file(name, &length);

	if (!words)
		turn_off(name);
	for (char *at = data; at < data + length && nr < MAX_WORDS; at += strlen(at) + 1)
		words[nr++] = at;
	return words;
}

/* ---- the machine -------------------------------------------------------------------------- */

static const struct {
	const char *type, *path, *options;
} mounts[] = {
	{ "proc", "/proc", NULL },
	{ "sysfs", "/sys", NULL },
	{ "devtmpfs", "/dev", NULL },
	{ "devpts", "/dev/pts", "ptmxmode=0666" },
	{ "tmpfs", "/dev/shm", "mode=1777" },
	{ "tmpfs", "/run", "mode=755" },
	{ "tracefs", "/sys/kernel/tracing", NULL },
};

/* What a kernel lacks is missed by whoever needs it. */
static void mount_all(void)
{
	for (unsigned i = 0; i < sizeof(mounts) / sizeof(mounts[0]); i++) {
		mkdir(mounts[i].path, 0755);
		mount(mounts[i].type, mounts[i].path, mounts[i].type, 0, mounts[i].options);
	}
	chmod("/tmp", 01777);
	symlink("/proc/self/fd", "/dev/fd");
	symlink("/proc/self/fd/0", "/dev/stdin");
	symlink("/proc/self/fd/1", "/dev/stdout");
	symlink("/proc/self/fd/2", "/dev/stderr");
}

/*
 * Makes the kernel's random numbers ready, for which it would measure its own clock for a second
 * when the first program asks.
 */
static void add_entropy(void)
{
	struct {
		struct rand_pool_info head;
		char bytes[AGENT_ENTROPY_BYTES];
	} pool = { .head = { .entropy_count = 8 * AGENT_ENTROPY_BYTES,
			     .buf_size = AGENT_ENTROPY_BYTES } };
	int from = open(AGENT_DIRECTORY "/entropy", O_RDONLY | O_CLOEXEC);
	int to = open("/dev/urandom", O_WRONLY | O_CLOEXEC);

	if (from >= 0 && to >= 0 && read(from, pool.head.buf, AGENT_ENTROPY_BYTES) > 0)
		ioctl(to, RNDADDENTROPY, &pool);
	close(from);
	close(to);
}

static void load_module(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0 || (syscall(SYS_finit_module, fd, parameters, 0) && errno != EEXIST))
		turn_off(path);
	close(fd);
}

static void load_modules(void)
{
	size_t length;
	char *line, *rest = read_file("modules", &length);

	while ((line = strsep(&rest, "\n"))) {
		char *parameters = strchr(line, ' ');

		if (!parameters)
			continue;
		*parameters++ = 0;
		load_module(line, parameters);
	}
}

/*
 * One VM with a vCPU stays for as long as the machine runs: KVM patches its own code when the
 * first comes and when the last one goes, and that hangs emulated machines now and then.
 */
static void hold_vm(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (kvm < 0)
		turn_off("/dev/kvm");
	int vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm < 0 || ioctl(vm, KVM_CREATE_VCPU, 0) < 0)
		turn_off("a VM of the agent's own");
	fcntl(vm, F_SETFD, FD_CLOEXEC);
	chmod("/dev/kvm", 0666);
}

/* Commands for tests and shells, behind all others in PATH. */
static void install_busybox(void)
{
	static char *const words[] = { AGENT_BUSYBOX, "--install", "-s", AGENT_PATH, NULL };
	pid_t pid;

	if (access(AGENT_BUSYBOX, X_OK) == 0 &&
	    posix_spawn(&pid, AGENT_BUSYBOX, NULL, NULL, words, environ) == 0)
		waitpid(pid, NULL, 0);
}

/* ---- the channel ---------------------------------------------------------------------------- */

static void wait_ms(unsigned ms)
{
	usleep(ms * 1000);
}

/* The name of a port is its device's in sysfs: there is no udev here to make it a path. */
static bool find_channel(char ret_path[64])
{
	char path[320], name[64];
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	bool found = false;

	while (dir && !found && (entry = readdir(dir))) {
		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name", entry->d_name);
		FILE *file = fopen(path, "re");
		found = file && fgets(name, sizeof(name), file) &&
			strncmp(name, AGENT_CHANNEL, strlen(AGENT_CHANNEL)) == 0;
		if (found)
			snprintf(ret_path, 64, "/dev/%.50s", entry->d_name);
		if (file)
			fclose(file);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* The device answers some time after its driver was loaded. */
static void open_virtio(struct agent *a)
{
	char path[64];
	int fd = -1;

	for (unsigned ms = 0; ms < CHANNEL_WAIT_MS && fd < 0; ms += 10) {
		if (find_channel(path))
			fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			wait_ms(10);
	}
	if (fd < 0)
		turn_off("no channel to the lab");
	wire_init(&a->wire, fd, fd);
}

static int open_line(void)
{
	struct termios raw;
	int fd = open("/dev/ttyS1", O_RDWR | O_CLOEXEC | O_NOCTTY);

	if (fd < 0 || tcgetattr(fd, &raw))
		turn_off("no channel from the lab");
	cfmakeraw(&raw);
	cfsetspeed(&raw, B115200);
	tcsetattr(fd, TCSANOW, &raw);
	return fd;
}

/* Bochs has no such device: a serial line leads in, a parallel port out. */
static void open_serial(struct agent *a)
{
	bool sealed = access(AGENT_DIRECTORY "/sealed", F_OK) == 0;

	if (ioperm(WIRE_PORT, NR_WIRE_PORTS, 1))
		turn_off("no channel to the lab");
	wire_init(&a->wire, sealed ? -1 : open_line(), -1);
	a->wire.by_port = true;
}

static void say(struct agent *a, enum wire_type type, const void *data, size_t length)
{
	if (wire_send(&a->wire, type, data, length))
		turn_off("the channel to the lab");
}

/* ---- the command ------------------------------------------------------------------------------
 */

static void make_terminal(struct stream *s, bool cooked)
{
	struct termios raw;

	if (openpty(&s->fd, &s->child_fd, NULL, NULL, NULL))
		turn_off("a terminal for the command");
	s->terminal = true;
	if (cooked || tcgetattr(s->child_fd, &raw))
		return;
	cfmakeraw(&raw);
	tcsetattr(s->child_fd, TCSANOW, &raw);
}

static void make_pipe(struct stream *s, bool inwards)
{
	int ends[2];

	if (pipe(ends))
		turn_off("a pipe for the command");
	s->fd = ends[inwards];
	s->child_fd = ends[!inwards];
}

static void make_stream(struct agent *a, int number, char kind)
{
	struct stream *s = &a->stream[number];

	*s = (struct stream){ .fd = -1, .child_fd = -1 };
	if (kind == AGENT_PIPE)
		make_pipe(s, number == 0);
	else if (kind == AGENT_TERMINAL)
		make_terminal(s, false);
	else if (kind == AGENT_SHELL && number == 0)
		make_terminal(s, true);
	else if (kind == AGENT_SHELL)
		s->child_fd = dup(a->stream[0].child_fd);
	else
		s->child_fd = open("/dev/null", O_RDWR);
	if (s->fd >= 0)
		fcntl(s->fd, F_SETFD, FD_CLOEXEC);
	if (s->fd >= 0)
		fcntl(s->fd, F_SETFL, O_NONBLOCK);
}

static _Noreturn void run_command(struct agent *a, const char *kinds, char *const words[])
{
	size_t length;
	char *directory = read_file("directory", &length);
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setsid();
	for (int i = 0; i < 3; i++)
		dup2(a->stream[i].child_fd, i);
	for (int i = 0; i < 3; i++)
		close(a->stream[i].child_fd);
	if (kinds[0] == AGENT_SHELL)
		ioctl(0, TIOCSCTTY, 0);
	if (chdir(directory))
		fprintf(stderr, "minivmm: lab: '%s': %s\n", directory, strerror(errno));
	environ = read_list("environment"); /* its PATH is the one to look in */
	execvp(words[0], words);
	fprintf(stderr, "minivmm: lab: '%s' cannot be run: %s\n", words[0], strerror(errno));
	_exit(127);
}

static void start_command(struct agent *a)
{
	char **words = read_list("command");
	size_t length;
	char *kinds = read_file("streams", &length);

	for (int i = 0; i < 3; i++)
		make_stream(a, i, kinds[i]);
	say(a, WIRE_HELLO, NULL, 0);
	a->child = fork();
	if (a->child < 0)
		turn_off("fork");
	if (a->child == 0)
		run_command(a, kinds, words);
	for (int i = 0; i < 3; i++)
		close(a->stream[i].child_fd);
}

/* ---- passing on ---------------------------------------------------------------------------------
 */

static void close_stream(struct stream *s)
{
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
}

/* What the command has printed by now. The shell's terminal is that of all three. */
static bool pass_output(struct agent *a, int number)
{
	struct stream *s = &a->stream[number];
	char text[WIRE_MAX_BYTES];

	if (s->fd < 0)
		return false;
	ssize_t n = read(s->fd, text, sizeof(text));
	if (n > 0)
		say(a, number == 2 ? WIRE_STDERR : WIRE_STDOUT, text, (size_t)n);
	else if (n == 0 || (errno != EAGAIN && errno != EINTR && !s->terminal))
		close_stream(s);
	else if (errno == EIO && s->terminal)
		wait_ms(1); /* nobody has it open: the end of the command says when to stop */
	return n > 0;
}

static void pass_input(struct agent *a)
{
	struct stream *s = &a->stream[0];

	if (s->fd >= 0 && a->input_used) {
		ssize_t n = write(s->fd, a->input, a->input_used);

		if (n < 0 && errno != EAGAIN && errno != EINTR)
			close_stream(s);
		if (n > 0) {
			memmove(a->input, a->input + n, a->input_used - (size_t)n);
			a->input_used -= (size_t)n;
			if (wire_send_number(&a->wire, WIRE_TAKEN, (uint32_t)n))
				turn_off("the channel to the lab");
		}
	}
	if (a->input_ends && !a->input_used)
		close_stream(s);
}

static void take_input(struct agent *a, const struct wire_message *m)
{
	size_t room = sizeof(a->input) - a->input_used;
	size_t length = m->length < room ? m->length : room;

	memcpy(a->input + a->input_used, m->data, length);
	a->input_used += length;
}

/* Terminals of the command have the size of the one outside. */
static void set_size(struct agent *a, const struct wire_message *m)
{
	struct winsize size;

	if (m->length < sizeof(size))
		return;
	memcpy(&size, m->data, sizeof(size));
	for (int i = 0; i < 3; i++) {
		if (a->stream[i].fd >= 0 && a->stream[i].terminal)
			ioctl(a->stream[i].fd, TIOCSWINSZ, &size);
	}
}

static void obey(struct agent *a, const struct wire_message *m)
{
	switch (m->type) {
	case WIRE_STDIN:
		take_input(a, m);
		break;
	case WIRE_STDIN_END:
		a->input_ends = true;
		break;
	case WIRE_SIGNAL:
		kill(a->child, (int)wire_number(m));
		break;
	case WIRE_CLOSE:
		if (wire_number(m) < 3)
			close_stream(&a->stream[wire_number(m)]);
		break;
	case WIRE_SIZE:
		set_size(a, m);
		break;
	default:
		break;
	}
}

static void obey_all(struct agent *a)
{
	struct wire_message message;
	ssize_t n = wire_read(&a->wire);

	if (n < 0 && errno != EINTR && errno != EAGAIN)
		turn_off("the channel to the lab");
	if (n == 0)
		wait_ms(10); /* the lab has gone, and with it goes the machine */
	while (wire_next(&a->wire, &message) > 0)
		obey(a, &message);
}

/* Whatever has ended; true if the command has. */
static bool reap(struct agent *a, int *ret_status)
{
	struct signalfd_siginfo info;
	bool ended = false;
	int status;
	pid_t pid;

	(void)!read(a->signal_fd, &info, sizeof(info));
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (pid != a->child)
			continue;
		*ret_status = WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
		ended = true;
	}
	return ended;
}

static void tick(struct agent *a)
{
	uint64_t times;

	(void)!read(a->timer_fd, &times, sizeof(times));
	say(a, WIRE_ALIVE, NULL, 0);
}

static int serve(struct agent *a)
{
	bool ended = false;
	int status = 0;

	while (!ended) {
		bool wants_input = a->input_used || a->input_ends;
		struct pollfd fds[] = {
			{ .fd = a->wire.in_fd, .events = POLLIN },
			{ .fd = a->signal_fd, .events = POLLIN },
			{ .fd = a->timer_fd, .events = POLLIN },
			{ .fd = a->stream[1].fd, .events = POLLIN },
			{ .fd = a->stream[2].fd, .events = POLLIN },
			{ .fd = a->stream[0].fd,
			  .events = (short)((wants_input ? POLLOUT : 0) |
					    (a->stream[0].terminal ? POLLIN : 0)) },
		};

		poll(fds, sizeof(fds) / sizeof(fds[0]), -1);
		if (fds[0].revents)
			obey_all(a);
		if (fds[2].revents)
			tick(a);
		if (fds[3].revents)
			pass_output(a, 1);
		if (fds[4].revents)
			pass_output(a, 2);
		if (fds[5].revents && a->stream[0].terminal)
			pass_output(a, 0);
		if (wants_input)
			pass_input(a);
		if (fds[1].revents)
			ended = reap(a, &status);
	}
	return status;
}

/* What it printed before it ended is in the pipes. */
static void drain(struct agent *a)
{
	for (int i = 0; i < 3; i++) {
		while ((i > 0 || a->stream[0].terminal) && pass_output(a, i))
			;
	}
}

/* ---- files for outside
 * ------------------------------------------------------------------------------ */

static void send_contents(struct agent *a, int fd)
{
	char data[WIRE_MAX_BYTES];
	ssize_t n;

	while ((n = read(fd, data, sizeof(data))) > 0)
		say(a, WIRE_DATA, data, (size_t)n);
	if (n == 0)
		say(a, WIRE_END, NULL, 0);
}

/* Files that came in and are as they were have the time 0. */
static void send_file(struct agent *a, uint32_t output, const char *path, const char *name)
{
	char head[sizeof(output) + PATH_MAX];
	struct stat st;
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);

	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_mtime != 0) {
		memcpy(head, &output, sizeof(output));
		strncpy(head + sizeof(output), name, PATH_MAX - 1);
		say(a, WIRE_FILE, head, sizeof(output) + strnlen(name, PATH_MAX - 1));
		send_contents(a, fd);
	}
	if (fd >= 0)
		close(fd);
}

static void send_tree(struct agent *a, uint32_t output, const char *path, const char *name)
{
	char below[PATH_MAX], below_name[PATH_MAX];
	DIR *dir = opendir(path);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
			continue;
		if (snprintf(below, sizeof(below), "%s/%s", path, entry->d_name) >= PATH_MAX ||
		    snprintf(below_name, sizeof(below_name), "%s%s%s", name, *name ? "/" : "",
			     entry->d_name) >= PATH_MAX)
			continue;
		if (entry->d_type == DT_DIR)
			send_tree(a, output, below, below_name);
		else
			send_file(a, output, below, below_name);
	}
	if (dir)
		closedir(dir);
}

static void send_outputs(struct agent *a)
{
	char **path = read_list("outputs");
	struct stat st;

	for (uint32_t i = 0; path[i]; i++) {
		if (stat(path[i], &st))
			continue;
		if (S_ISDIR(st.st_mode))
			send_tree(a, i, path[i], "");
		else
			send_file(a, i, path[i], "");
	}
}

/* ---- the whole
 * ---------------------------------------------------------------------------------------- */

static void watch(struct agent *a)
{
	const struct itimerspec second = { { 1, 0 }, { 1, 0 } };
	sigset_t child;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&child);
	sigaddset(&child, SIGCHLD);
	sigprocmask(SIG_BLOCK, &child, NULL);
	a->signal_fd = signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK);
	a->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (a->signal_fd < 0 || a->timer_fd < 0)
		turn_off("signalfd and timerfd");
	timerfd_settime(a->timer_fd, 0, &second, NULL);
}

int lab_agent_command(int argc, char *argv[])
{
	static struct agent a;

	(void)argc, (void)argv;
	if (getpid() != 1) {
		fprintf(stderr, "minivmm: lab-agent: it is the first process of the machines that "
				"`minivmm lab` starts\n");
		return EXIT_USAGE;
	}
	mount_all();
	add_entropy();
	load_modules();
	if (access(AGENT_DIRECTORY "/serial", F_OK) == 0)
		open_serial(&a);
	else
		open_virtio(&a);
	wire_send_raw(&a.wire, WIRE_MAGIC, strlen(WIRE_MAGIC));
	hold_vm();
	install_busybox();
	watch(&a);
	start_command(&a);
	int status = serve(&a);
	drain(&a);
	send_outputs(&a);
	wire_send_number(&a.wire, WIRE_EXIT, (uint32_t)status);
	/* The lab ends the machine. Without a lab it ends itself. */
	wait_ms(20000);
	errno = 0;
	turn_off("the lab did not end the machine");
}
