/* SPDX-License-Identifier: MIT */
/* A running VMM and its threads, as perf and /proc show them. */
#define _GNU_SOURCE
#include "vmm/watch/watched.h"

#include <asm/perf_regs.h>
#include <dirent.h>
#include <errno.h>
#include <fnmatch.h>
#include <linux/perf_event.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "vcpu/base/clock.h"
#include "vmm/watch/thread_name.h"

/* Without privileges all rings of a user together have kernel.perf_event_mlock_kb for each CPU. */
#define RING_PAGES_MAX 64
#define RING_PAGES_MIN 4

#define TRACE_RING_BYTES (2u << 20)

/* ---- /proc -------------------------------------------------------------------------- */

/* The first line of a file of a thread; false if there is none. */
static bool read_line(pid_t pid, pid_t tid, const char *file, char *line, size_t bytes)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%d/task/%d/%s", pid, tid, file);
	FILE *in = fopen(path, "re");
	if (!in)
		return false;
	bool found = fgets(line, (int)bytes, in);
	fclose(in);
	if (found)
		line[strcspn(line, "\n")] = 0;
	return found;
}

/* What a descriptor of the process is, if it is a vCPU of KVM: its number. */
static bool read_vcpu_file(pid_t pid, uint64_t fd, unsigned *ret_number)
{
	char path[64], target[64];

	snprintf(path, sizeof(path), "/proc/%d/fd/%llu", pid, (unsigned long long)fd);
	ssize_t length = readlink(path, target, sizeof(target) - 1);
	if (length < 0)
		return false;
	target[length] = 0;
	return sscanf(target, "anon_inode:kvm-vcpu:%u", ret_number) == 1;
}

static bool has_vcpu_files(pid_t pid)
{
	char path[32];
	unsigned number;
	bool found = false;
	struct dirent *entry;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	DIR *dir = opendir(path);
	while (dir && !found && (entry = readdir(dir)))
		found = read_vcpu_file(pid, strtoull(entry->d_name, NULL, 10), &number);
	if (dir)
		closedir(dir);
	return found;
}

static void found_vcpu(const struct watched *w, struct watched_thread *t, uint64_t fd)
{
	t->is_vcpu = true;
	if (!t->has_number)
		t->has_number = read_vcpu_file(w->options->pid, fd, &t->number);
}

/* For a thread that sleeps in KVM_RUN: number of the call, six arguments, RSP and RIP. */
static void look_at_syscall(const struct watched *w, struct watched_thread *t)
{
	unsigned long long call, fd, request, rip;
	char line[256];

	if (read_line(w->options->pid, t->tid, "syscall", line, sizeof(line)) &&
	    sscanf(line, "%llu %llx %llx %*x %*x %*x %*x %*x %llx", &call, &fd, &request, &rip) ==
		    4 &&
	    call == SYS_ioctl && is_in_kvm_run((uint64_t)-ENOSYS, request, rip))
		found_vcpu(w, t, fd);
}

/* Threads are named after they have been started, so that it is read again. */
static void look_at(struct watched *w, struct watched_thread *t)
{
	unsigned number;

	t->is_there = true;
	read_line(w->options->pid, t->tid, "comm", t->name, sizeof(t->name));
	if (!t->is_vcpu && thread_name_is_vcpu(t->name, &number)) {
		t->is_vcpu = t->has_number = true;
		t->number = number;
	}
	if (!t->is_vcpu && w->has_vcpu_files)
		look_at_syscall(w, t);
}

/* ---- perf ---------------------------------------------------------------------------- */

/* A sample at each switch out, and a record of each switch; without privileges the latter alone. */
static int open_event(pid_t tid, bool with_samples)
{
#define BIT(name) | 1u << PERF_REG_X86_##name
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = with_samples ? PERF_COUNT_SW_CONTEXT_SWITCHES : PERF_COUNT_SW_DUMMY,
		.sample_period = with_samples,
		.sample_type = PERF_SAMPLE_TID | PERF_SAMPLE_TIME | PERF_SAMPLE_CPU |
			       (with_samples ? PERF_SAMPLE_REGS_USER : 0),
		.sample_regs_user = with_samples ? 0 SWITCH_RECORD_REGS(BIT) : 0,
		.sample_id_all = 1,
		.context_switch = 1,
		.exclude_kernel = !with_samples,
		.watermark = 1,
		.wakeup_watermark = RING_PAGES_MIN * 4096 / 2,
		.use_clockid = 1,
		.clockid = CLOCK_MONOTONIC,
	};
#undef BIT

	return (int)syscall(SYS_perf_event_open, &attr, tid, -1, -1, PERF_FLAG_FD_CLOEXEC);
}

/* Maps as large a ring as is allowed. 0, or -1 with errno. */
static int map_ring(struct watched_thread *t)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (size_t pages = RING_PAGES_MAX; pages >= RING_PAGES_MIN; pages /= 2) {
		t->map_bytes = (1 + pages) * page;
		t->map = mmap(NULL, t->map_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, t->fd, 0);
		if (t->map != MAP_FAILED)
			return 0;
		if (errno != EPERM && errno != ENOMEM)
			break;
	}
	t->map = NULL;
	return -1;
}

/* 0, or -1 with errno. */
static int attach(struct watched *w, struct watched_thread *t)
{
	t->fd = open_event(t->tid, w->sees_kvm_run);
	if (t->fd < 0 && w->nr == 0 && w->sees_kvm_run && (errno == EACCES || errno == EPERM)) {
		w->sees_kvm_run = false;
		t->fd = open_event(t->tid, false);
	}
	if (t->fd < 0)
		return -1;
	return map_ring(t);
}

static void detach(struct watched_thread *t)
{
	if (t->map)
		munmap(t->map, t->map_bytes);
	if (t->fd >= 0)
		close(t->fd);
	t->map = NULL;
	t->fd = -1;
}

static void trace_switch(struct watched_thread *t, const struct switch_record *r, bool in_kvm_run)
{
	enum trace_kind kind = TRACE_RUN;

	if (r->kind == SWITCH_OUT)
		kind = r->preempted ? TRACE_WAIT : in_kvm_run ? TRACE_HALT : TRACE_BLOCK;
	if (t->trace)
		mv_trace_record(t->trace, r->time_ns, kind, 0, kind == TRACE_RUN ? r->cpu : 0);
}

static void take_record(struct watched *w, struct watched_thread *t, const struct switch_record *r)
{
	bool in_kvm_run = t->counts.was_in_kvm_run;

	if (r->in_kvm_run && (!t->is_vcpu || !t->has_number))
		found_vcpu(w, t, r->fd);
	switch_counts_take(&t->counts, r);
	if (r->kind == SWITCH_OUT || r->kind == SWITCH_IN)
		trace_switch(t, r, in_kvm_run);
}

static void drain(struct watched *w, struct watched_thread *t)
{
	struct perf_event_mmap_page *page = t->map;
	struct switch_record r;

	if (!page)
		return;
	/* Acquire: the records are there before the head that counts them. */
	struct switch_ring ring = {
		.data = (const uint8_t *)page + page->data_offset,
		.bytes = page->data_size,
		.tail = page->data_tail,
		.head = __atomic_load_n(&page->data_head, __ATOMIC_ACQUIRE),
	};
	while (switch_record_next(&ring, &r))
		take_record(w, t, &r);
	/* Release: they have been read before the kernel takes their place. */
	__atomic_store_n(&page->data_tail, ring.tail, __ATOMIC_RELEASE);
}

/* ---- the threads ---------------------------------------------------------------------- */

static struct watched_thread *find(const struct watched *w, pid_t tid)
{
	for (size_t i = 0; i < w->nr; i++) {
		if (w->thread[i]->tid == tid && !w->thread[i]->has_ended)
			return w->thread[i];
	}
	return NULL;
}

static void destroy(struct watched_thread *t)
{
	detach(t);
	trace_ring_destroy(t->trace);
	free(t);
}

static int make_room(struct watched *w)
{
	if (w->nr < w->room)
		return 0;
	size_t room = w->room ? 2 * w->room : 64;
	struct watched_thread **more = reallocarray(w->thread, room,
						    sizeof(struct watched_thread *));
	if (!more)
		return -1;
	w->thread = more;
	w->room = room;
	return 0;
}

/* 0, or -1 with errno; ESRCH: it has ended meanwhile. */
static int add(struct watched *w, pid_t tid)
{
	struct watched_thread *t = make_room(w) ? NULL : calloc(1, sizeof(*t));

	if (!t) {
		errno = ENOMEM;
		return -1;
	}
	t->tid = tid;
	t->fd = -1;
	look_at(w, t);
	if (attach(w, t)) {
		int errnum = errno;

		destroy(t);
		errno = errnum;
		return -1;
	}
	if (w->options->trace)
		t->trace = trace_ring_create(trace_ring_size(1, TRACE_RING_BYTES));
	w->thread[w->nr++] = t;
	return 0;
}

/* Goes through the threads that there are. 0, or the errno of the last that could not be added. */
static int list_threads(struct watched *w)
{
	char path[32];
	struct dirent *entry;
	int errnum = 0;

	snprintf(path, sizeof(path), "/proc/%d/task", w->options->pid);
	DIR *dir = opendir(path);
	while (dir && (entry = readdir(dir))) {
		pid_t tid = (pid_t)strtol(entry->d_name, NULL, 10);
		struct watched_thread *t = find(w, tid);

		if (t)
			look_at(w, t);
		else if (tid > 0 && add(w, tid) && errno != ESRCH)
			errnum = errno;
	}
	if (dir)
		closedir(dir);
	return errnum;
}

static void thread_ended(struct watched_thread *t)
{
	t->has_ended = true;
	t->counts.state = THREAD_UNKNOWN;
	detach(t);
}

void watched_update(struct watched *w)
{
	for (size_t i = 0; i < w->nr; i++)
		w->thread[i]->is_there = false;
	if (!w->has_vcpu_files)
		w->has_vcpu_files = has_vcpu_files(w->options->pid);
	w->nr_missed += list_threads(w) != 0;
	for (size_t i = 0; i < w->nr; i++) {
		struct watched_thread *t = w->thread[i];

		drain(w, t);
		if (!t->is_there && !t->has_ended)
			thread_ended(t);
	}
}

bool watched_shows(const struct watched *w, const struct watched_thread *t)
{
	if (w->options->all)
		return true;
	if (w->options->threads)
		return fnmatch(w->options->threads, t->name, 0) == 0;
	return t->is_vcpu;
}

/* ---- beginning and end ------------------------------------------------------------------ */

static int open_process(struct watched *w, struct error *err)
{
	pid_t pid = w->options->pid;

	w->pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	if (w->pidfd >= 0 && read_line(pid, pid, "comm", w->name, sizeof(w->name)))
		return 0;
	if (w->pidfd < 0 && (errno == EINVAL || errno == ENOENT))
		return error_set(err, EXIT_USAGE,
				 "watch: %d is a thread: give the process that it belongs to", pid);
	if (w->pidfd < 0 && errno != ESRCH)
		return error_set_errno(err, EXIT_HOST, errno, "watch: process %d", pid);
	return error_set(err, EXIT_USAGE, "watch: there is no process %d", pid);
}

static int paranoid_level(void)
{
	int level = -1;
	FILE *in = fopen("/proc/sys/kernel/perf_event_paranoid", "re");

	if (in && fscanf(in, "%d", &level) != 1)
		level = -1;
	if (in)
		fclose(in);
	return level;
}

static int cannot_attach(const struct watched *w, int errnum, struct error *err)
{
	if (errnum == EACCES || errnum == EPERM)
		return error_set(err, EXIT_HOST,
				 "watch: perf events of process %d are not permitted: be root or "
				 "have CAP_PERFMON, or be its user with "
				 "kernel.perf_event_paranoid <= 1 (it is %d)",
				 w->options->pid, paranoid_level());
	return error_set_errno(err, EXIT_HOST, errnum, "watch: perf events of process %d",
			       w->options->pid);
}

static int nothing_to_show(const struct watched *w, struct error *err)
{
	pid_t pid = w->options->pid;

	if (w->options->threads)
		return error_set(err, EXIT_USAGE,
				 "watch: process %d (%s) has no thread named '%s': --all watches "
				 "every one",
				 pid, w->name, w->options->threads);
	return error_set(err, EXIT_USAGE,
			 "watch: process %d (%s) has no vCPU threads: --all watches every thread "
			 "(QEMU names those of TCG with -name NAME,debug-threads=on)",
			 pid, w->name);
}

static bool shows_any(const struct watched *w)
{
	for (size_t i = 0; i < w->nr; i++) {
		if (watched_shows(w, w->thread[i]))
			return true;
	}
	return w->has_vcpu_files && !w->options->threads;
}

int watched_init(struct watched *ret_watched, const struct watch_options *options,
		 struct error *err)
{
	struct watched *w = ret_watched;

	*w = (struct watched){ .options = options, .sees_kvm_run = true, .pidfd = -1 };
	if (open_process(w, err))
		return -1;
	w->start_ns = monotonic_ns();
	w->has_vcpu_files = has_vcpu_files(options->pid);
	int errnum = list_threads(w);
	if (errnum)
		return cannot_attach(w, errnum, err);
	if (w->nr == 0)
		return error_set(err, EXIT_USAGE, "watch: process %d has ended", options->pid);
	return shows_any(w) ? 0 : nothing_to_show(w, err);
}

void watched_finish(struct watched *w)
{
	for (size_t i = 0; i < w->nr; i++)
		destroy(w->thread[i]);
	free(w->thread);
	if (w->pidfd >= 0)
		close(w->pidfd);
	*w = (struct watched){ .pidfd = -1 };
}

void watched_wait(struct watched *w, uint64_t timeout_ns, const sigset_t *mask)
{
	struct timespec timeout = timespec_of_ns(timeout_ns);
	struct pollfd *poll_fd = calloc(w->nr + 1, sizeof(*poll_fd));

	if (!poll_fd)
		return;
	poll_fd[0] = (struct pollfd){ .fd = w->pidfd, .events = POLLIN };
	for (size_t i = 0; i < w->nr; i++)
		poll_fd[1 + i] = (struct pollfd){ .fd = w->thread[i]->fd, .events = POLLIN };
	if (ppoll(poll_fd, w->nr + 1, &timeout, mask) > 0 && poll_fd[0].revents)
		w->has_ended = true;
	free(poll_fd);
}
