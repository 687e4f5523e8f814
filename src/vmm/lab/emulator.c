/* SPDX-License-Identifier: MIT */
/* Starts and ends the process that emulates a machine. */
#define _GNU_SOURCE
#include "vmm/lab/emulator.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/cli/rerun_command.h"

void words_add(struct words *w, const char *format, ...)
{
	va_list arguments;

	va_start(arguments, format);
	if (w->nr < EMULATOR_MAX_WORDS && vasprintf(&w->word[w->nr], format, arguments) >= 0)
		w->nr++;
	w->word[w->nr] = NULL;
	va_end(arguments);
}

void words_free(struct words *w)
{
	for (unsigned i = 0; i < w->nr; i++)
		free(w->word[i]);
	w->nr = 0;
}

int words_keep(const struct words *w, const struct lab_options *o, struct error *err)
{
	FILE *file;

	if (!o->keep)
		return 0;
	file = keep_open(o, "command", err);
	if (!file)
		return -1;
	for (unsigned i = 0; i < w->nr; i++) {
		rerun_command_quote(file, w->word[i]);
		fputc(i + 1 < w->nr ? ' ' : '\n', file);
	}
	fclose(file);
	return 0;
}

FILE *keep_open(const struct lab_options *o, const char *name, struct error *err)
{
	char path[PATH_MAX];

	snprintf(path, sizeof(path), "%s/%s", o->keep, name);
	FILE *file = fopen(path, "we");
	if (!file)
		error_set_errno(err, EXIT_USAGE, errno, "lab: --keep '%s' cannot be written", path);
	return file;
}

static bool is_program(const char *path)
{
	struct stat st;

	return stat(path, &st) == 0 && S_ISREG(st.st_mode) && access(path, X_OK) == 0;
}

bool find_program(const char *name, char *ret_path)
{
	char path[PATH_MAX];
	const char *at = getenv("PATH");

	if (strchr(name, '/')) {
		if (ret_path)
			snprintf(ret_path, PATH_MAX, "%s", name);
		return is_program(name);
	}
	for (; at && *at; at += strcspn(at, ":"), at += *at == ':') {
		snprintf(path, sizeof(path), "%.*s/%s", (int)strcspn(at, ":"), at, name);
		if (!is_program(path))
			continue;
		if (ret_path)
			strcpy(ret_path, path);
		return true;
	}
	return false;
}

/* In the child: nothing but what was asked for is inherited, and no signal is blocked. */
static _Noreturn void become(const struct words *words, const int fd[3], const int *keep,
			     pid_t parent)
{
	sigset_t none;

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_DFL);
	setpgid(0, 0); /* a terminal's SIGINT is for the lab, which passes it on */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) || getppid() != parent)
		_exit(127);
	for (int i = 0; i < 3; i++)
		dup2(fd[i], i);
	for (; *keep >= 0; keep++)
		fcntl(*keep, F_SETFD, 0);
	execv(words->word[0], words->word);
	fprintf(stderr, "%s: %s\n", words->word[0], strerror(errno));
	_exit(127);
}

pid_t emulator_spawn(const struct words *words, const int fd[3], const int *keep, struct error *err)
{
	pid_t parent = getpid();
	pid_t pid = fork();

	if (pid < 0)
		return error_set_errno(err, EXIT_HOST, errno, "lab: cannot start '%s'",
				       words->word[0]);
	if (pid == 0)
		become(words, fd, keep, parent);
	return pid;
}

void emulator_end(struct emulator *e)
{
	const int fds[] = { e->in_fd, e->out_fd == e->in_fd ? -1 : e->out_fd, e->console_fd,
			    e->control_fd, e->log_fd };

	if (e->pid > 0) {
		kill(e->pid, SIGKILL);
		while (waitpid(e->pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
	*e = (struct emulator){
		.in_fd = -1, .out_fd = -1, .console_fd = -1, .control_fd = -1, .log_fd = -1
	};
}
