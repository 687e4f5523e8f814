/* SPDX-License-Identifier: MIT */
/* Lets calls of libc fail, or do less than they could. */
#include "libc_failures.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/types.h>

void *__real_calloc(size_t nr, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
ssize_t __real_read(int fd, void *bytes, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
int __real_fsync(int fd);
int __real_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __real_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __wrap_fsync(int fd);
int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags);
int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

int __real_sched_getscheduler(pid_t pid);
int __wrap_sched_getscheduler(pid_t pid);
int __real_sched_yield(void);
int __wrap_sched_yield(void);

static int pretended_policy = -1; /* atomic */
static _Thread_local unsigned yields;
static _Thread_local unsigned
	allocations_left; /* up to and with the one that fails; 0: none does */
static _Thread_local int read_errno, fsync_errno;
static _Thread_local char calls[16], last_calls[16];
static _Thread_local size_t most_read = SIZE_MAX, last_asked_for;

void fail_allocation_after(unsigned more)
{
	allocations_left = more + 1;
}

void fail_next_read(int with_errno)
{
	read_errno = with_errno;
}

void read_at_most(size_t bytes)
{
	most_read = bytes;
}

size_t last_read_asked_for(void)
{
	return last_asked_for;
}

static bool has_to_fail(void)
{
	return allocations_left && --allocations_left == 0;
}

void *__wrap_calloc(size_t nr, size_t size)
{
	return has_to_fail() ? NULL : __real_calloc(nr, size);
}

void *__wrap_malloc(size_t size)
{
	return has_to_fail() ? NULL : __real_malloc(size);
}

void *__wrap_realloc(void *memory, size_t size)
{
	return has_to_fail() ? NULL : __real_realloc(memory, size);
}

ssize_t __wrap_read(int fd, void *bytes, size_t size)
{
	last_asked_for = size;
	if (!read_errno)
		return __real_read(fd, bytes, size < most_read ? size : most_read);
	errno = read_errno;
	read_errno = 0;
	return -1;
}

void fail_next_fsync(int with_errno)
{
	fsync_errno = with_errno;
}

const char *durability_calls(void)
{
	memcpy(last_calls, calls, sizeof(calls));
	calls[0] = 0;
	return last_calls;
}

static void note_call(char letter)
{
	size_t nr = strlen(calls);

	if (nr + 1 < sizeof(calls)) {
		calls[nr] = letter;
		calls[nr + 1] = 0;
	}
}

int __wrap_fsync(int fd)
{
	note_call('f');
	if (!fsync_errno)
		return __real_fsync(fd);
	errno = fsync_errno;
	fsync_errno = 0;
	return -1;
}

int __wrap_linkat(int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	note_call('l');
	return __real_linkat(from_dir, from, to_dir, to, flags);
}

int __wrap_renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	note_call('r');
	return __real_renameat(from_dir, from, to_dir, to);
}

void pretend_policy(int policy)
{
	__atomic_store_n(&pretended_policy, policy, __ATOMIC_RELAXED);
}

int __wrap_sched_getscheduler(pid_t pid)
{
	int policy = __atomic_load_n(&pretended_policy, __ATOMIC_RELAXED);

	return policy >= 0 ? policy : __real_sched_getscheduler(pid);
}

unsigned times_yielded(void)
{
	return yields;
}

int __wrap_sched_yield(void)
{
	yields++;
	return __real_sched_yield();
}

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (pthread_mutex_trylock(mutex) == 0)
		ck_abort_msg("unlocked without having been locked");
	return __real_pthread_mutex_unlock(mutex);
}
