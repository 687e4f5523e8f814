/* SPDX-License-Identifier: MIT */
/*
 * The first process of a Linux guest: looks for reads through translations that should be gone,
 * or measures. If all is well the machine is turned off; if not it returns, and the kernel panics.
 *
 * usage (behind a further -- of the kernel's command line): [MILLISECONDS [WHAT [START]]]
 * WHAT is check (threads, then processes, so long each), threads, processes, find (processes, until
 * something stale was read), or search (ebizzy's work). It begins when the kernel has run for START
 * seconds, if it has not: so that VMs that were started together begin together.
 *
 * CPUs that the kernel has left alone (maxcpus=1) are turned on first: so a kernel can boot on a
 * host with a fault in it, since one CPU shoots nobody.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/klog.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include "linux_guest.h"

#define STANDARD_MS	     2000
#define SYSLOG_CONSOLE_LEVEL 8 /* syslog(2) */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

void fail(const char *what)
{
	perror(what);
	exit(1);
}

void pin_to_cpu(unsigned cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		fail("sched_setaffinity");
}

void count_stale(struct counts *c, uint64_t due, uint64_t seen)
{
	if (c->stale++ == 0) {
		c->stale_due = due;
		c->stale_seen = seen;
	}
}

bool report_counts(const char *who, const struct counts *of, unsigned nr)
{
	struct counts sum = { 0 };

	for (unsigned i = 0; i < nr; i++) {
		if (of[i].stale && !sum.stale) {
			sum.stale_due = of[i].stale_due;
			sum.stale_seen = of[i].stale_seen;
		}
		sum.stale += of[i].stale;
		sum.reads += of[i].reads;
		sum.takes += of[i].takes;
	}
	printf("linux-guest: %s=%u takes=%llu reads=%llu stale=%llu\n", who, nr,
	       (unsigned long long)sum.takes, (unsigned long long)sum.reads,
	       (unsigned long long)sum.stale);
	if (sum.stale)
		printf("linux-guest: the first saw %llu where %llu was due\n",
		       (unsigned long long)sum.stale_seen, (unsigned long long)sum.stale_due);
	return sum.takes && sum.reads && !sum.stale;
}

/* How many CPUs there are, all of them online. */
static unsigned turn_cpus_on(void)
{
	char path[64];
	unsigned cpu = 1; /* the first one cannot be turned off */

	mkdir("/sys", 0755);
	mount("sysfs", "/sys", "sysfs", 0, NULL);
	for (; cpu < MAX_CPUS; cpu++) {
		snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%u/online", cpu);
		int fd = open(path, O_WRONLY);
		if (fd < 0)
			break;
		if (write(fd, "1", 1) != 1)
			fail(path);
		close(fd);
	}
	return cpu;
}

/* By a child: the kernel reports each segmentation fault of the first process, handled or not. */
static bool check_threads_in_child(unsigned nr_cpus, uint64_t ns)
{
	int status = 0;
	pid_t child = fork();

	if (child < 0)
		fail("fork");
	if (child == 0)
		exit(!check_threads(nr_cpus, ns));
	return waitpid(child, &status, 0) == child && status == 0;
}

static bool run(const char *what, unsigned nr_cpus, uint64_t ns)
{
	if (strcmp(what, "threads") == 0)
		return check_threads_in_child(nr_cpus, ns);
	if (strcmp(what, "processes") == 0)
		return check_processes(nr_cpus, ns, false);
	if (strcmp(what, "find") == 0)
		return check_processes(nr_cpus, ns, true);
	if (strcmp(what, "search") == 0)
		return search_chunks(nr_cpus, ns);
	bool threads = check_threads_in_child(nr_cpus, ns);
	return check_processes(nr_cpus, ns, false) && threads;
}

static void wait_until(unsigned long start_s)
{
	const struct timespec start = { .tv_sec = (time_t)start_s };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &start, NULL) == EINTR)
		;
}

int main(int argc, char *argv[])
{
	unsigned long ms = argc > 1 ? strtoul(argv[1], NULL, 10) : 0;
	const char *what = argc > 2 ? argv[2] : "check";

	setvbuf(stdout, NULL, _IOLBF, 0); /* children inherit nothing unwritten */
	puts("linux-guest: first line of init");
	pin_to_cpu(0); /* where a fault of the host's harms it least */
	klogctl(SYSLOG_CONSOLE_LEVEL, NULL,
		1); /* from here on a panic alone is heard between ours */
	unsigned nr_cpus = turn_cpus_on();
	wait_until(argc > 3 ? strtoul(argv[3], NULL, 10) : 0);
	bool well = run(what, nr_cpus, (ms ? ms : STANDARD_MS) * 1000000u);
	tcdrain(STDOUT_FILENO); /* a panic or the end would cut it off */
	if (well)
		reboot(RB_POWER_OFF);
	return 1;
}
