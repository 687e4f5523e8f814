/* SPDX-License-Identifier: MIT */
/* Every forbidden system call ends the process and is named; what a run needs is not. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/kvm.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/machine/sandbox.h"

#define PAGE_BYTES 4096
#define SURVIVED   77 /* the exit status of a child that came to its end */

/* ---- what children try ------------------------------------------------------------ */

static void open_file(void)
{
	open("/etc/passwd", O_RDONLY | O_CLOEXEC);
}

static void start_program(void)
{
	execl("/bin/true", "true", (char *)NULL);
}

static void make_socket(void)
{
	socket(AF_INET, SOCK_STREAM, 0);
}

static void fork_process(void)
{
	syscall(SYS_fork);
}

static void map_executable(void)
{
	mmap(NULL, PAGE_BYTES, PROT_READ | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

static void make_executable(void)
{
	void *page = mmap(NULL, PAGE_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1,
			  0);

	mprotect(page, PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC);
}

/* Memory behind a running guest must stay as it is. */
static void change_memory_slot(void)
{
	ioctl(STDERR_FILENO, KVM_SET_USER_MEMORY_REGION, 0);
}

static void signal_init(void)
{
	syscall(SYS_tgkill, 1, 1, 0);
}

static void change_handler(void)
{
	signal(SIGSYS, SIG_DFL);
}

static void lift_sandbox(void)
{
	prctl(PR_SET_SECCOMP, 0);
}

static void make_unknown_call(void)
{
	syscall(100000);
}

static void print_and_allocate(void)
{
	char *much = malloc(1 << 20);

	memset(much, 1, 1 << 20);
	much = realloc(much, 8 << 20);
	printf("# printed and allocated\n");
	fflush(stdout);
	free(much);
}

static void kick_own_thread(void)
{
	syscall(SYS_tgkill, getpid(), gettid(), 0);
}

/* The file was opened before the sandbox was entered, the text is made when it is read. */
static int status_fd;

static void read_status(void)
{
	char text[4096] = "";

	if (read(status_fd, text, sizeof(text) - 1) <= 0 || !strstr(text, "NoNewPrivs:\t1") ||
	    !strstr(text, "Seccomp:\t2"))
		_exit(EXIT_FAILURE);
}

static const struct {
	const char *what;
	void (*attempt)(void);
	const char *named; /* the call in the message; NULL: it is allowed */
} cases[] = {
	{ "open a file", open_file, "openat" },
	{ "start a program", start_program, "execve" },
	{ "make a socket", make_socket, "socket" },
	{ "fork", fork_process, "fork" },
	{ "map executable memory", map_executable, "mmap" },
	{ "make memory executable", make_executable, "mprotect" },
	{ "change a memory slot", change_memory_slot, "ioctl" },
	{ "signal another process", signal_init, "tgkill" },
	{ "replace the handler", change_handler, "rt_sigaction" },
	{ "lift the sandbox", lift_sandbox, "prctl" },
	{ "make a call that nobody knows", make_unknown_call, "of an unknown number" },
	{ "print and allocate", print_and_allocate, NULL },
	{ "kick an own thread", kick_own_thread, NULL },
	{ "have no new privileges", read_status, NULL },
};
#define NR_CASES (sizeof(cases) / sizeof(cases[0]))

/* ---- the child ---------------------------------------------------------------------- */

struct attempt {
	void (*run)(void);
	pthread_barrier_t step; /* the thread has started; the sandbox has been entered */
};

/* A thread that was there before the sandbox was, as a vCPU's is. */
static void *thread_main(void *argument)
{
	struct attempt *attempt = argument;

	pthread_barrier_wait(&attempt->step);
	pthread_barrier_wait(&attempt->step);
	attempt->run();
	return NULL;
}

static void enter(void)
{
	struct error err;

	if (sandbox_enter(false, &err) == 0)
		return;
	fprintf(stderr, "%s\n", err.text);
	_exit(EXIT_FAILURE);
}

static void child(void (*run)(void), bool in_thread, int stderr_fd)
{
	struct attempt attempt = { .run = run };
	pthread_t thread;

	status_fd = open("/proc/thread-self/status", O_RDONLY);
	dup2(stderr_fd, STDERR_FILENO);
	if (in_thread) {
		pthread_barrier_init(&attempt.step, NULL, 2);
		pthread_create(&thread, NULL, thread_main, &attempt);
		pthread_barrier_wait(&attempt.step);
		enter();
		pthread_barrier_wait(&attempt.step);
		pthread_join(thread, NULL);
	} else {
		enter();
		run();
	}
	_exit(SURVIVED);
}

/* ---- the parent --------------------------------------------------------------------- */

/* Runs an attempt in a child; its exit status, or -1, and what it wrote to stderr. */
static int try(void (*run)(void), bool in_thread, char *text, size_t bytes)
{
	int status, fds[2];

	if (pipe(fds))
		return -1;
	fflush(stdout);
	pid_t pid = fork();
	if (pid == 0)
		child(run, in_thread, fds[1]);
	close(fds[1]);
	ssize_t n = read(fds[0], text, bytes - 1);
	text[n > 0 ? n : 0] = 0;
	close(fds[0]);
	waitpid(pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static bool is_as_expected(int status, const char *text, const char *named)
{
	char wanted[64];

	if (!named)
		return status == SURVIVED;
	snprintf(wanted, sizeof(wanted), "the system call %s is forbidden", named);
	return status == EXIT_HOST && strstr(text, wanted);
}

int main(void)
{
	unsigned failures = 0;

	if (sandbox_missing()) {
		printf("1..0 # SKIP %s\n", sandbox_missing());
		return 0;
	}
	printf("1..%zu\n", 2 * NR_CASES);
	for (unsigned i = 0; i < 2 * NR_CASES; i++) {
		const char *named = cases[i / 2].named;
		char text[512];
		int status = try(cases[i / 2].attempt, i % 2, text, sizeof(text));
		bool ok = is_as_expected(status, text, named);

		printf("%sok %u - %s: %s, in %s thread\n", ok ? "" : "not ", i + 1,
		       cases[i / 2].what, named ? "forbidden" : "allowed",
		       i % 2 ? "an older" : "the first");
		if (!ok)
			printf("# exit status %d: %s\n", status, text);
		failures += !ok;
	}
	return failures != 0;
}
