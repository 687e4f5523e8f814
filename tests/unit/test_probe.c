/* SPDX-License-Identifier: MIT */
/* Probes that answer, fail, hang and die: each has an end, and none outlives who asked. */
#include "unit.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vmm/host/probe.h"

#define WHAT	   "the trial"
#define SHORT_MS   200
#define PATIENT_MS 60000

static int probe(struct probe *p, int (*ask)(const void *, void *, struct error *),
		 unsigned bound_ms, int *ret_answer, struct error *err)
{
	int question = 20;

	*p = (struct probe){ 0 };
	return probe_run(p, WHAT, ask, &question, ret_answer, sizeof(*ret_answer), bound_ms, err);
}

static void assert_gone(pid_t pid)
{
	ck_assert_int_gt(pid, 0);
	ck_assert_int_eq(waitpid(pid, NULL, WNOHANG), -1);
	ck_assert_int_eq(errno, ECHILD);
}

static int double_it(const void *question, void *answer, struct error *err)
{
	(void)err;
	*(int *)answer = 2 * *(const int *)question;
	return 0;
}

START_TEST(an_answer_comes_back)
{
	struct error err;
	struct probe p;
	int answer = 0;

	ck_assert_int_eq(probe(&p, double_it, PATIENT_MS, &answer, &err), 0);
	ck_assert_int_eq(answer, 40);
	pid_t pid = p.pid;
	probe_finish(&p);
	assert_gone(pid);
	probe_finish(&p); /* harmless */
}
END_TEST

static int refuse(const void *question, void *answer, struct error *err)
{
	*(int *)answer = *(const int *)question;
	return error_set(err, EXIT_USAGE, "it is refused");
}

START_TEST(an_error_comes_back_and_no_answer)
{
	struct error err;
	struct probe p;
	int answer = 7;

	ck_assert_int_eq(probe(&p, refuse, PATIENT_MS, &answer, &err), -1);
	ck_assert_str_eq(err.text, "it is refused");
	ck_assert_int_eq(err.status, EXIT_USAGE);
	ck_assert_int_eq(answer, 7);
	probe_finish(&p);
}
END_TEST

static int hang(const void *question, void *answer, struct error *err)
{
	(void)question, (void)answer, (void)err;
	while (pause())
		;
	return 0;
}

START_TEST(who_hangs_is_killed_and_named)
{
	struct error err;
	struct probe p;
	int answer = 7;

	ck_assert_int_eq(probe(&p, hang, SHORT_MS, &answer, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, WHAT " did not end within 0.2 s"));
	ck_assert_int_eq(err.status, EXIT_HOST);
	pid_t pid = p.pid;
	probe_finish(&p);
	assert_gone(pid);
}
END_TEST

static int die(const void *question, void *answer, struct error *err)
{
	(void)question, (void)answer, (void)err;
	raise(SIGKILL);
	return 0;
}

START_TEST(who_dies_is_named_at_once)
{
	struct error err;
	struct probe p;
	int answer = 7;

	ck_assert_int_eq(probe(&p, die, PATIENT_MS, &answer, &err), -1);
	ck_assert_ptr_nonnull(strstr(err.text, WHAT " ended without an answer"));
	probe_finish(&p);
}
END_TEST

/* Both ends of it are open in all processes but the test's, which has the reading one. */
static int lifeline[2];

static int say_and_hang(const void *question, void *answer, struct error *err)
{
	(void)!write(lifeline[1], "x", 1);
	return hang(question, answer, err);
}

START_TEST(a_probe_ends_with_who_asked)
{
	struct pollfd reader;
	struct error err;
	struct probe p;
	char c;
	int answer;

	ck_assert_int_eq(pipe(lifeline), 0);
	pid_t asker = fork();
	if (asker == 0)
		_exit(probe(&p, say_and_hang, 10 * PATIENT_MS, &answer, &err));
	close(lifeline[1]);
	ck_assert_int_eq(read(lifeline[0], &c, 1), 1); /* the probe runs */
	kill(asker, SIGKILL);
	ck_assert_int_eq(waitpid(asker, NULL, 0), asker);
	reader = (struct pollfd){ .fd = lifeline[0], .events = POLLIN };
	ck_assert_int_eq(poll(&reader, 1, PATIENT_MS), 1);
	ck_assert_int_eq(read(lifeline[0], &c, 1), 0); /* nobody has the other end any more */
	close(lifeline[0]);
}
END_TEST

#define CASES(X)                             \
	X(an_answer_comes_back)              \
	X(an_error_comes_back_and_no_answer) \
	X(who_hangs_is_killed_and_named)     \
	X(who_dies_is_named_at_once)         \
	X(a_probe_ends_with_who_asked)
UNIT_SUITE(probe, CASES)
