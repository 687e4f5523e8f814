/* SPDX-License-Identifier: MIT */
/* Starts one run of a sweep, passes signals on to it, and says how it ended. */
#define _GNU_SOURCE /* memfd_create() */
#include "vmm/sweep/runner.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/auxv.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#define EXEC_FAILED 127

static void make_signal_set(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGCHLD);
}

void runner_init(void)
{
	sigset_t set;

	make_signal_set(&set);
	sigprocmask(SIG_BLOCK, &set, NULL);
	signal(SIGCHLD, SIG_DFL); /* an inherited SIG_IGN would discard the status of a run */
}

/* ---- the child --------------------------------------------------------------- */

/* stdout is discarded, stderr goes to `stderr_fd`, and the run does not outlive the sweep. */
static _Noreturn void become_run(char *const argv[], int stderr_fd, pid_t parent)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(null, STDOUT_FILENO) >= 0 && dup2(stderr_fd, STDERR_FILENO) >= 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		execv("/proc/self/exe", argv);
		/* Without /proc: the path by which it was started, if it is still there. */
		execv((const char *)getauxval(AT_EXECFN), argv);
		dprintf(STDERR_FILENO, "minivmm: cannot start itself (is /proc mounted?): %s\n",
			strerror(errno));
	}
	_exit(EXEC_FAILED);
}

/* ---- the parent -------------------------------------------------------------- */

/* The first line that the run wrote, without the name of the program. */
static void read_complaint(int fd, char *text, size_t size)
{
	static const char prefix[] = "minivmm: ";
	size_t length = strlen(prefix);
	ssize_t n = pread(fd, text, size - 1, 0);

	text[n > 0 ? n : 0] = 0;
	text[strcspn(text, "\n")] = 0;
	if (strncmp(text, prefix, length) == 0)
		memmove(text, text + length, strlen(text + length) + 1);
}

static enum run_end end_of(int status, int stopped_by)
{
	if (stopped_by)
		return RUN_INTERRUPTED;
	if (WIFSIGNALED(status))
		return RUN_CRASHED;
	switch (WEXITSTATUS(status)) {
	case EXIT_USAGE:
		return RUN_REFUSED;
	case EXIT_HOST:
	case EXEC_FAILED:
		return RUN_HOST_FAILED;
	}
	return RUN_FINISHED;
}

/* Waits until the run is over; returns the signal that this process got meanwhile, or 0. */
static int wait_for_end(pid_t pid, runner_tick *tick, void *context, int *ret_status)
{
	const struct timespec second = { .tv_sec = 1 };
	int stopped_by = 0;
	sigset_t set;

	make_signal_set(&set);
	while (waitpid(pid, ret_status, WNOHANG) == 0) {
		int signal = sigtimedwait(&set, NULL, &second);

		if (signal == SIGINT || signal == SIGTERM) {
			stopped_by = signal;
			kill(pid, signal);
		}
		tick(context);
	}
	return stopped_by;
}

/* A signal that arrived between two runs. */
static int pending_stop(void)
{
	const struct timespec now = { 0 };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	int signal = sigtimedwait(&set, NULL, &now);
	return signal > 0 ? signal : 0;
}

static int start_and_wait(char *const argv[], int stderr_fd, runner_tick *tick, void *context,
			  struct run_outcome *outcome, struct error *err)
{
	pid_t self = getpid(), pid = fork();
	int status = 0;

	if (pid < 0)
		return error_set_errno(err, EXIT_HOST, errno, "a run cannot be started");
	if (pid == 0)
		become_run(argv, stderr_fd, self);
	outcome->signal = wait_for_end(pid, tick, context, &status);
	outcome->end = end_of(status, outcome->signal);
	if (outcome->end == RUN_CRASHED)
		outcome->signal = WTERMSIG(status);
	read_complaint(stderr_fd, outcome->text, sizeof(outcome->text));
	return 0;
}

int runner_run(char *const argv[], runner_tick *tick, void *context,
	       struct run_outcome *ret_outcome, struct error *err)
{
	struct run_outcome outcome = { .end = RUN_INTERRUPTED, .signal = pending_stop() };

	if (!outcome.signal) {
		int stderr_fd = memfd_create("stderr of a run", MFD_CLOEXEC);

		if (stderr_fd < 0)
			return error_set_errno(err, EXIT_HOST, errno, "memfd_create");
		int failed = start_and_wait(argv, stderr_fd, tick, context, &outcome, err);
		close(stderr_fd);
		if (failed)
			return -1;
	}
	*ret_outcome = outcome;
	return 0;
}
