/* SPDX-License-Identifier: MIT */
/* Gnuplot, as a child process. */
#include "vmm/sweep/report/gnuplot.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define NOT_FOUND 127

static _Noreturn void become_gnuplot(const char *dir, char *argv[])
{
	sigset_t none;
	int log = chdir(dir) ? -1 : open("gnuplot.log", O_WRONLY | O_CREAT | O_TRUNC, 0666);

	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (log >= 0 && dup2(log, STDOUT_FILENO) >= 0 && dup2(log, STDERR_FILENO) >= 0)
		execvp(argv[0], argv);
	_exit(NOT_FOUND);
}

int gnuplot_run(const char *dir, char *argv[], char *ret_why, size_t size)
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		become_gnuplot(dir, argv);
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		snprintf(ret_why, size, "gnuplot: %s", strerror(errno));
	else if (WIFEXITED(status) && WEXITSTATUS(status) == NOT_FOUND)
		snprintf(ret_why, size,
			 "gnuplot is not installed; with it, the same command and --resume "
			 "make them");
	else if (status)
		snprintf(ret_why, size, "gnuplot failed: see %s/gnuplot.log", dir);
	else
		return 0;
	return -1;
}
