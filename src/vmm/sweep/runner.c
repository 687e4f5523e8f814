/* SPDX-License-Identifier: MIT */
/* Starts runs of a sweep, passes signals on to them, and says how each ended. */
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
static _Noreturn void become_run(char *const argv[], const char *dir, int stderr_fd, pid_t parent)
{
	sigset_t none;
	int null = open("/dev/null", O_RDWR);

	prctl(PR_SET_PDEATHSIG, SIGTERM);
	if (getppid() == parent && null >= 0 && dup2(null, STDIN_FILENO) >= 0 &&
	    dup2(null, STDOUT_FILENO) >= 0 && dup2(stderr_fd, STDERR_FILENO) >= 0) {
		sigemptyset(&none);
		sigprocmask(SIG_SETMASK, &none, NULL);
		if (dir && chdir(dir)) {
			dprintf(STDERR_FILENO, "minivmm: '%s': %s\n", dir, strerror(errno));
			_exit(EXIT_HOST);
		}
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

/* The first of the processes that has ended, or `nr`. */
static unsigned find_ended(const struct run_process *process, unsigned nr, int *ret_status)
{
	for (unsigned i = 0; i < nr; i++) {
		if (process[i].pid && waitpid(process[i].pid, ret_status, WNOHANG))
			return i;
	}
	return nr;
}

static void pass_on(struct run_process *process, unsigned nr, int signal)
{
	for (unsigned i = 0; i < nr; i++) {
		if (!process[i].pid)
			continue;
		process[i].stopped_by = signal;
		kill(process[i].pid, signal);
	}
}

/* Takes what is known of a process that has ended, and forgets it. */
static void take_end(struct run_process *process, int status, struct run_outcome *ret_outcome)
{
	struct run_outcome *outcome = ret_outcome;

	*outcome = (struct run_outcome){ .end = end_of(status, process->stopped_by),
					 .signal = process->stopped_by };
	if (outcome->end == RUN_CRASHED)
		outcome->signal = WTERMSIG(status);
	read_complaint(process->stderr_fd, outcome->text, sizeof(outcome->text));
	close(process->stderr_fd);
	*process = (struct run_process){ 0 };
}

unsigned runner_wait(struct run_process *process, unsigned nr, runner_tick *tick, void *context,
		     struct run_outcome *ret_outcome)
{
	const struct timespec second = { .tv_sec = 1 };
	unsigned ended;
	int status = 0;
	sigset_t set;

	make_signal_set(&set);
	while ((ended = find_ended(process, nr, &status)) == nr) {
		int signal = sigtimedwait(&set, NULL, &second);

		if (signal == SIGINT || signal == SIGTERM)
			pass_on(process, nr, signal);
		tick(context);
	}
	take_end(&process[ended], status, ret_outcome);
	return ended;
}

void runner_end_all(struct run_process *process, unsigned nr)
{
	struct run_outcome outcome;
	int status = 0;

	pass_on(process, nr, SIGTERM);
	for (unsigned i = 0; i < nr; i++) {
		if (process[i].pid) {
			waitpid(process[i].pid, &status, 0);
			take_end(&process[i], status, &outcome);
		}
	}
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

int runner_start(char *const argv[], const char *dir, struct run_process *ret_process,
		 struct error *err)
{
	int stderr_fd = memfd_create("stderr of a run", MFD_CLOEXEC);
	pid_t self = getpid(), pid;

	if (stderr_fd < 0)
		return error_set_errno(err, EXIT_HOST, errno, "memfd_create");
	pid = fork();
	if (pid < 0) {
		close(stderr_fd);
		return error_set_errno(err, EXIT_HOST, errno, "a run cannot be started");
	}
	if (pid == 0)
		become_run(argv, dir, stderr_fd, self);
	*ret_process = (struct run_process){ .pid = pid, .stderr_fd = stderr_fd };
	return 0;
}

int runner_run(char *const argv[], runner_tick *tick, void *context,
	       struct run_outcome *ret_outcome, struct error *err)
{
	struct run_outcome outcome = { .end = RUN_INTERRUPTED, .signal = pending_stop() };
	struct run_process process;

	if (!outcome.signal) {
		if (runner_start(argv, NULL, &process, err))
			return -1;
		runner_wait(&process, 1, tick, context, &outcome);
	}
	*ret_outcome = outcome;
	return 0;
}
