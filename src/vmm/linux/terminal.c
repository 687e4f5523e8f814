/* SPDX-License-Identifier: MIT */
/* Standard input for the serial port of a guest. */
#define _GNU_SOURCE
#include "vmm/linux/terminal.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* In the background a read would stop the process (SIGTTIN). */
bool terminal_is_there(void)
{
	return isatty(STDIN_FILENO) && tcgetpgrp(STDIN_FILENO) == getpgrp();
}

/* Waits until the guest takes input; 0 at the end. */
static unsigned wait_room(struct terminal *t)
{
	unsigned room = 0;

	pthread_mutex_lock(&t->pc->lock);
	while (!t->stopping && !(room = uart_room(&t->pc->uart)))
		pthread_cond_wait(&t->pc->room, &t->pc->lock);
	if (t->stopping)
		room = 0;
	pthread_mutex_unlock(&t->pc->lock);
	return room;
}

/* Bytes read, as read(2) says; 0 at the end of input and of the run. */
static ssize_t wait_input(const struct terminal *t, uint8_t *bytes, size_t room)
{
	struct pollfd fd[] = { { .fd = STDIN_FILENO, .events = POLLIN },
			       { .fd = t->stop_fd, .events = POLLIN } };
	ssize_t got;

	do {
		if (ppoll(fd, 2, NULL, NULL) < 0 && errno != EINTR)
			return -1;
		if (fd[1].revents)
			return 0;
		got = fd[0].revents ? read(STDIN_FILENO, bytes, room) : -1;
	} while (got < 0 && (!fd[0].revents || errno == EINTR || errno == EAGAIN));
	return got;
}

static void *terminal_main(void *argument)
{
	struct terminal *t = argument;
	uint8_t bytes[UART_FIFO_BYTES];
	unsigned room;
	ssize_t got;

	pthread_mutex_lock(&t->pc->lock);
	t->started = true;
	pthread_cond_broadcast(&t->pc->room);
	pthread_mutex_unlock(&t->pc->lock);
	while ((room = wait_room(t)) && (got = wait_input(t, bytes, room)) > 0)
		pc_receive(t->pc, bytes, (size_t)got);
	return NULL;
}

/* A thread that begins makes system calls that the sandbox forbids afterwards. */
static void wait_started(struct terminal *t)
{
	pthread_mutex_lock(&t->pc->lock);
	while (!t->started)
		pthread_cond_wait(&t->pc->room, &t->pc->lock);
	pthread_mutex_unlock(&t->pc->lock);
}

static void change_terminal(struct terminal *t)
{
	struct termios raw;

	if (!terminal_is_there() || tcgetattr(STDIN_FILENO, &t->before))
		return;
	raw = t->before;
	raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
	raw.c_iflag &= ~(tcflag_t)ICRNL;
	raw.c_cc[VMIN] = 1;
	raw.c_cc[VTIME] = 0;
	t->is_changed = tcsetattr(STDIN_FILENO, TCSANOW, &raw) == 0;
}

int terminal_start(struct terminal *t, struct pc *pc, struct error *err)
{
	*t = (struct terminal){ .stop_fd = eventfd(0, EFD_CLOEXEC) };
	if (t->stop_fd < 0)
		return error_set_errno(err, EXIT_HOST, errno, "cannot read the terminal");
	t->pc = pc;
	change_terminal(t);
	int failed = pthread_create(&t->thread, NULL, terminal_main, t);
	if (!failed) {
		wait_started(t);
		return 0;
	}
	t->pc = NULL;
	close(t->stop_fd);
	return error_set_errno(err, EXIT_HOST, failed, "cannot create a thread for the terminal");
}

void terminal_stop(struct terminal *t)
{
	if (!t->pc)
		return;
	pthread_mutex_lock(&t->pc->lock);
	t->stopping = true;
	pthread_cond_broadcast(&t->pc->room);
	pthread_mutex_unlock(&t->pc->lock);
	eventfd_write(t->stop_fd, 1);
	pthread_join(t->thread, NULL);
	close(t->stop_fd);
	if (t->is_changed)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	t->pc = NULL;
}
