/* SPDX-License-Identifier: MIT */
/* Lets calls of libc fail, or do less than they could. */
#include "libc_failures.h"

#include <check.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

void *__real_calloc(size_t nr, size_t size);
void *__real_malloc(size_t size);
void *__real_realloc(void *memory, size_t size);
ssize_t __real_read(int fd, void *bytes, size_t size);
void *__wrap_calloc(size_t nr, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_realloc(void *memory, size_t size);
ssize_t __wrap_read(int fd, void *bytes, size_t size);
int __real_pthread_mutex_unlock(pthread_mutex_t *mutex);
int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex);

static _Thread_local unsigned
	allocations_left; /* up to and with the one that fails; 0: none does */
static _Thread_local int read_errno;
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

int __wrap_pthread_mutex_unlock(pthread_mutex_t *mutex)
{
	if (pthread_mutex_trylock(mutex) == 0)
		ck_abort_msg("unlocked without having been locked");
	return __real_pthread_mutex_unlock(mutex);
}
