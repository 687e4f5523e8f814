/* SPDX-License-Identifier: MIT */
/* Probes of the host, each in a process of its own, so that each has an end. */
#define _GNU_SOURCE /* pipe2() */
#include "vmm/host/probe.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/host/kernel_marks.h"

#define TICK_MS	  100
#define FINISH_MS 1000 /* in which a process ends that was killed, or has answered */

/* What goes through the pipe, in one piece: less than PIPE_BUF. */
struct reply {
	int result;
	struct error err;
	uint8_t answer[PROBE_ANSWER_BYTES];
};

/* ---- in its process ---------------------------------------------------------- */

static void end_with_parent(pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent) /* it had ended before */
		_exit(EXIT_HOST);
}

static void answer_and_exit(int reply_fd,
			    int (*ask)(const void *question, void *answer, struct error *err),
			    const void *question)
{
	struct reply reply = { 0 };

	reply.result = ask(question, reply.answer, &reply.err);
	ssize_t written = write(reply_fd, &reply, sizeof(reply));
	_exit(written == sizeof(reply) ? EXIT_PASS : EXIT_HOST);
}

/* ---- in this one ------------------------------------------------------------- */

/* Whether there is something to read. Each tick counts as one, however long this process was
 * stopped in the middle of it. */
static bool wait_for_reply(int fd, unsigned bound_ms)
{
	struct pollfd readable = { .fd = fd, .events = POLLIN };

	for (unsigned waited_ms = 0; waited_ms < bound_ms; waited_ms += TICK_MS) {
		int ready = poll(&readable, 1, TICK_MS);

		if (ready > 0)
			return true;
	}
	return false;
}

static int read_reply(int fd, const char *what, unsigned bound_ms, struct reply *ret_reply,
		      struct error *err)
{
	if (!wait_for_reply(fd, bound_ms))
		return error_set(err, EXIT_HOST,
				 "%s did not end within %g s: this KVM hangs, or the host has no "
				 "CPU to spare",
				 what, bound_ms / 1000.0);
	if (read(fd, ret_reply, sizeof(*ret_reply)) == sizeof(*ret_reply))
		return 0;
	return error_set(err, EXIT_HOST, "%s ended without an answer (its process was killed)",
			 what);
}

/* Starts the process; returns the descriptor that its reply comes from, or -1 with an error. */
static int start(struct probe *p, const char *what,
		 int (*ask)(const void *question, void *answer, struct error *err),
		 const void *question, struct error *err)
{
	pid_t parent = getpid();
	int fds[2];

	if (pipe2(fds, O_CLOEXEC))
		return error_set_errno(err, EXIT_HOST, errno, "no pipe for %s", what);
	p->pid = fork();
	if (p->pid == 0) {
		end_with_parent(parent);
		answer_and_exit(fds[1], ask, question);
	}
	int failed = errno;
	close(fds[1]);
	if (p->pid > 0)
		return fds[0];
	p->pid = 0;
	close(fds[0]);
	return error_set_errno(err, EXIT_HOST, failed, "no process for %s", what);
}

int probe_run(struct probe *p, const char *what,
	      int (*ask)(const void *question, void *answer, struct error *err),
	      const void *question, void *ret_answer, size_t bytes, unsigned bound_ms,
	      struct error *err)
{
	struct reply reply;
	int fd = start(p, what, ask, question, err);

	if (fd < 0)
		return -1;
	int failed = read_reply(fd, what, bound_ms, &reply, err);
	close(fd);
	if (failed) {
		kill(p->pid, SIGKILL);
		return -1;
	}
	if (reply.result) {
		*err = reply.err;
		return -1;
	}
	memcpy(ret_answer, reply.answer, bytes);
	return 0;
}

/* A process that not even SIGKILL ends hangs in the kernel: it is left there. */
void probe_finish(struct probe *p)
{
	for (unsigned i = 0; p->pid && i < FINISH_MS; i++) {
		if (waitpid(p->pid, NULL, WNOHANG) != 0)
			break;
		poll(NULL, 0, 1);
	}
	p->pid = 0;
}

/* ---- the probes that there are ------------------------------------------------- */

struct question {
	const struct kvm *kvm;
	unsigned ring;
	int host_cpu;
};

static int ask_ring_speed(const void *question, void *answer, struct error *err)
{
	const struct question *q = question;

	return ring_speed_measure(q->kvm, q->ring, answer, err);
}

int probe_ring_speed(const struct kvm *kvm, unsigned ring, struct ring_speed *ret_speed,
		     struct error *err)
{
	struct question question = { .kvm = kvm, .ring = ring };
	struct probe probe = { 0 };
	int result = probe_run(
		&probe, ring ? "the measurement of ring 3" : "the measurement of ring 0",
		ask_ring_speed, &question, ret_speed, sizeof(*ret_speed), PROBE_BOUND_MS, err);

	probe_finish(&probe);
	return result;
}

static int ask_cr3_moves(const void *question, void *answer, struct error *err)
{
	const struct question *q = question;

	return cr3_moves_try(q->kvm, answer, err);
}

int probe_cr3_moves(const struct kvm *kvm, bool intercepts_cr3, enum cr3_moves *ret_moves,
		    struct error *err)
{
	struct question question = { .kvm = kvm };
	struct probe probe = { 0 };

	*ret_moves = CR3_MOVES_RIGHT;
	if (!intercepts_cr3)
		return 0;
	int result = probe_run(&probe, "the trial of CR3", ask_cr3_moves, &question, ret_moves,
			       sizeof(*ret_moves), PROBE_BOUND_MS, err);
	probe_finish(&probe);
	return result;
}

static int ask_kernel_marks(const void *question, void *answer, struct error *err)
{
	const struct question *q = question;

	return kernel_marks_probe(q->kvm, q->host_cpu, answer, err);
}

int probe_kernel_marks(const struct kvm *kvm, int host_cpu, bool *ret_marks, struct error *err)
{
	struct question question = { .kvm = kvm, .host_cpu = host_cpu };
	struct probe probe = { 0 };
	int result = probe_run(&probe, "the search for marks by the kernel", ask_kernel_marks,
			       &question, ret_marks, sizeof(*ret_marks), PROBE_BOUND_MS, err);

	probe_finish(&probe);
	return result;
}

static int ask_selfcheck(const void *question, void *answer, struct error *err)
{
	const struct question *q = question;
	struct vm vm;

	return selfcheck_run(q->kvm, &vm, answer, err);
}

int probe_selfcheck(struct probe *p, const struct kvm *kvm, struct selfcheck *ret_check,
		    struct error *err)
{
	struct question question = { .kvm = kvm };

	return probe_run(p, "the self-check", ask_selfcheck, &question, ret_check,
			 sizeof(*ret_check), PROBE_BOUND_MS, err);
}
